/// A configuration file: YAML, one mapping from names of settings to values. Every value is read as the text that
/// stands there; nothing is guessed from its look.
internal import CYamlShim
internal import Glibc

/// What a file says, and what is wrong with its form.
public struct ConfigurationFile: Sendable {
    /// One line `key: value`.
    public struct Entry: Hashable, Sendable {
        public var key: String
        public var value: String
        /// Where the key stands.
        public var keyOrigin: Origin
        /// Where the value stands.
        public var valueOrigin: Origin
    }

    public private(set) var entries: [Entry] = []
    public private(set) var mistakes: [Mistake] = []
    private let name: String

    /// A file without a line.
    public init() { name = "" }

    /// Reads a file's text.
    public init(_ bytes: [UInt8], name: String) {
        self.name = name
        var reader = EventReader(bytes)
        read(&reader)
    }

    /// Far longer than the file that is shipped. libyaml takes time with the square of the depth: half a MiB of opening
    /// braces kept it busy for a minute and a half (measured, debug build), as many as fit in here for a second.
    public static let bytesMax = 64 << 10

    /// Reads a file; a mistake if it cannot be read.
    public init(path: String) {
        switch TextFile.read(path, bytesMax: Self.bytesMax) {
        case .success(let bytes): self.init(bytes, name: path)
        case .failure(let failure):
            self.init([], name: path)
            mistakes = [Mistake(.file(path, line: 1, column: 1), failure.description)]
        }
    }

    // MARK: The form

    private mutating func read(_ reader: inout EventReader) {
        var documents = 0
        while true {
            let event = reader.next()
            switch event.kind {
            case CYS_END: return
            case CYS_FAILURE: return blame(event, "this is not YAML: \(event.text).")
            case CYS_DOCUMENT:
                documents += 1
                if documents > 1 { return blame(event, "a second document begins here: remove the line '---'.") }
            case CYS_MAPPING: readMapping(&reader)
            case CYS_SCALAR where event.isPlain && event.text.isEmpty, CYS_OTHER: break
            default: return blame(event, "lines 'name: value' are expected.")
            }
            if reader.isOver { return }
        }
    }

    private mutating func readMapping(_ reader: inout EventReader) {
        while true {
            let key = reader.next()
            switch key.kind {
            case CYS_MAPPING_END: return
            case CYS_FAILURE: return blame(key, "this is not YAML: \(key.text).")
            case CYS_SCALAR: readValue(of: key, &reader)
            default:
                blame(key, "a name of a setting is expected.")
                reader.skip(from: key)
                reader.skip(from: reader.next())
            }
            if reader.isOver { return }
        }
    }

    private mutating func readValue(of key: EventReader.Event, _ reader: inout EventReader) {
        let value = reader.next()
        switch value.kind {
        case CYS_FAILURE: blame(value, "this is not YAML: \(value.text).")
        case CYS_SCALAR where value.isPlain && value.text.isEmpty:
            blame(key, "'\(key.text)' has no value: give one (\"\" is an empty one), or remove the line.")
        case CYS_SCALAR: add(key, value)
        default:
            blame(value, "'\(key.text)' takes one value, no list and no lines of its own.")
            reader.skip(from: value)
        }
    }

    private mutating func add(_ key: EventReader.Event, _ value: EventReader.Event) {
        if let first = entries.first(where: { $0.key == key.text }) {
            return blame(key, "'\(key.text)' stands at \(first.keyOrigin) already: remove one of the two.")
        }
        entries.append(Entry(key: key.text, value: value.text, keyOrigin: origin(key), valueOrigin: origin(value)))
    }

    private mutating func blame(_ event: EventReader.Event, _ text: String) {
        mistakes.append(Mistake(origin(event), text))
    }

    private func origin(_ event: EventReader.Event) -> Origin { .file(name, line: event.line, column: event.column) }
}

/// The events of a text, one after the other.
@safe private struct EventReader: ~Copyable {
    struct Event {
        var kind: cys_kind
        var line: Int
        var column: Int
        var text: String
        var isPlain: Bool
    }

    private let bytes: UnsafeMutableBufferPointer<UInt8>
    private let reader: OpaquePointer?
    private(set) var isOver = false

    init(_ text: [UInt8]) {
        // Copied, since libyaml reads from it until the end.
        unsafe bytes = .allocate(capacity: max(1, text.count))
        _ = unsafe bytes.initialize(from: text)
        unsafe reader = cys_open(bytes.baseAddress, text.count)
    }

    deinit {
        if let reader = unsafe reader { unsafe cys_close(reader) }
        unsafe bytes.deallocate()
    }

    mutating func next() -> Event {
        guard !isOver, let reader = unsafe reader else {
            return Event(kind: CYS_END, line: 1, column: 1, text: "", isPlain: false)
        }
        var event = unsafe cys_event()
        // The text is copied before the next call.
        unsafe cys_next(reader, &event)
        let kind = unsafe event.kind
        let text = unsafe String(decoding: UnsafeRawBufferPointer(start: event.text, count: event.count), as: UTF8.self)
        isOver = kind == CYS_END || kind == CYS_FAILURE
        return unsafe Event(
            kind: kind, line: Int(event.line), column: Int(event.column), text: text, isPlain: event.is_plain != 0)
    }

    /// Goes on behind the value that an event begins.
    mutating func skip(from event: Event) {
        var depth = 0
        var kind = event.kind
        while !isOver {
            if kind == CYS_MAPPING || kind == CYS_SEQUENCE { depth += 1 }
            if kind == CYS_MAPPING_END || kind == CYS_SEQUENCE_END { depth -= 1 }
            if depth <= 0 { return }
            kind = next().kind
        }
    }
}
