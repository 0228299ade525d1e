/// Writing a JSON document, member by member.
internal import Codecs

/// An object that is being written. `finished` closes it.
struct JSONObject {
    private var bytes: [UInt8] = [UInt8(ascii: "{")]

    /// The object's text.
    var finished: [UInt8] { bytes + [UInt8(ascii: "}")] }

    mutating func set(_ name: String, _ value: String) {
        begin(name)
        JSONText.append(string: Array(value.utf8).span, to: &bytes)
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

    private mutating func begin(_ name: String) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        JSONText.append(string: Array(name.utf8).span, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
    }
}
