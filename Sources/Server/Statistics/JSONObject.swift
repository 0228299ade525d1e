/// Writing a JSON document, member by member.
internal import Codecs

/// An object that is being written. `finished` closes it.
struct JSONObject {
    private var bytes: [UInt8] = [UInt8(ascii: "{")]

    /// The object's text.
    var finished: [UInt8] { bytes + [UInt8(ascii: "}")] }

    /// The same without its end: somebody else goes on.
    var unfinished: [UInt8] { bytes }

    mutating func set(_ name: String, _ value: String) { set(name, bytes: Array(value.utf8)) }

    /// A string of bytes that came from elsewhere.
    mutating func set(_ name: String, bytes value: [UInt8]) {
        begin(name)
        JSONText.append(string: value.span, to: &bytes)
    }

    mutating func set(_ name: String, _ value: some BinaryInteger) {
        begin(name)
        bytes += Array(String(value).utf8)
    }

    mutating func set(_ name: String, _ value: Bool) {
        begin(name)
        bytes += Array((value ? "true" : "false").utf8)
    }

    mutating func set(_ name: String, _ object: JSONObject) {
        begin(name)
        bytes += object.finished
    }

    mutating func set(_ name: String, _ objects: [JSONObject]) {
        begin(name)
        bytes.append(UInt8(ascii: "["))
        for (index, object) in objects.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes += object.finished
        }
        bytes.append(UInt8(ascii: "]"))
    }

    mutating func set(_ name: String, _ strings: [String]) {
        open(name)
        for (index, string) in strings.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            JSONText.append(string: Array(string.utf8).span, to: &bytes)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    /// Begins a list; whoever goes on with what is unfinished ends it.
    mutating func open(_ name: String) {
        begin(name)
        bytes.append(UInt8(ascii: "["))
    }

    private mutating func begin(_ name: String) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        JSONText.append(string: Array(name.utf8).span, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
    }
}
