/// A strict scanner of JSON texts (RFC 8259) over bytes: it validates all of them and tells where things stand.
///
/// It builds no tree and allocates nothing, so what a client wrote can be passed on byte by byte. It holds a
/// position and no bytes: pass the same bytes to every call. After a thrown fault its state means nothing.
///
/// A whole text is checked by `JSONScanner.validate(_:)`. An object is walked member by member:
///
///     var scanner = JSONScanner()
///     try scanner.begin(in: bytes)
///     guard try scanner.enterObject(in: bytes) else { … }
///     while let key = try scanner.nextKey(in: bytes) {
///         let value = try scanner.scanValue(in: bytes)
///     }
///     try scanner.finish(in: bytes)
///
/// Where a value is awaited, `enterObject` may be called instead of `scanValue`, to walk that one in the same way.
///
/// Nesting is followed without recursion, so a hostile text costs neither stack nor more than one pass.
public struct JSONScanner: Sendable {
    /// The nesting that is allowed if nothing else is said (section 9 lets an implementation choose). 64 is a guess
    /// well above what any client of this protocol was seen to send.
    public static let defaultDepthLimit = 64
    /// The greatest nesting that can be asked for.
    public static let greatestDepthLimit = Nesting.capacity

    /// Where the scanner stands: offset of the next byte to look at.
    public internal(set) var position = 0
    /// The offset of the first integer seen that does not fit a signed 64-bit number; nil if there was none.
    ///
    /// Valid JSON, but a JSON library that many clients use stops at it. Only literals without fraction and
    /// exponent count: those with one are read as floating point, which takes any magnitude.
    public internal(set) var wideIntegerOffset: Int?

    private let depthLimit: Int
    /// How many objects have been entered and not left.
    private var depth = 0
    /// Whether the object entered last has had no member yet.
    private var isAtFirstMember = false

    /// - Parameter depthLimit: how deeply objects and arrays may nest; taken as 1 below 1 and as
    ///   `greatestDepthLimit` above that.
    public init(depthLimit: Int = JSONScanner.defaultDepthLimit) {
        self.depthLimit = min(max(depthLimit, 1), Self.greatestDepthLimit)
    }

    /// Checks that `bytes` are one JSON text, and tells what kind of value it is.
    @discardableResult
    public static func validate(
        _ bytes: Span<UInt8>, depthLimit: Int = JSONScanner.defaultDepthLimit
    ) throws(JSONFault) -> JSONValue {
        var scanner = JSONScanner(depthLimit: depthLimit)
        try scanner.begin(in: bytes)
        let value = try scanner.scanValue(in: bytes)
        try scanner.finish(in: bytes)
        return value
    }

    /// Refuses a byte order mark (section 8.1) and steps to the value.
    public mutating func begin(in bytes: Span<UInt8>) throws(JSONFault) {
        if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF {
            throw JSONFault(.byteOrderMark, at: 0)
        }
        skipWhiteSpace(in: bytes)
    }

    /// Checks that nothing but white space is left.
    public mutating func finish(in bytes: Span<UInt8>) throws(JSONFault) {
        skipWhiteSpace(in: bytes)
        if position < bytes.count { throw JSONFault(.trailingBytes, at: position) }
    }

    /// Steps into the object that begins here. False, and nothing happens, if the value here is no object.
    public mutating func enterObject(in bytes: Span<UInt8>) throws(JSONFault) -> Bool {
        skipWhiteSpace(in: bytes)
        guard position < bytes.count, bytes[position] == ASCII.openBrace else { return false }
        guard depth < depthLimit else { throw JSONFault(.tooDeep, at: position) }
        position += 1
        depth += 1
        isAtFirstMember = true
        return true
    }

    /// The key of the next member of the object entered last; its value is to be scanned next. Nil after the last
    /// member: the object has been left.
    public mutating func nextKey(in bytes: Span<UInt8>) throws(JSONFault) -> JSONString? {
        precondition(depth > 0, "no object was entered")
        skipWhiteSpace(in: bytes)
        let byte = try currentByte(in: bytes)
        if byte == ASCII.closeBrace {
            position += 1
            depth -= 1
            isAtFirstMember = false
            return nil
        }
        if !isAtFirstMember {
            guard byte == ASCII.comma else { throw JSONFault(.unexpectedByte, at: position) }
            position += 1
            skipWhiteSpace(in: bytes)
        }
        isAtFirstMember = false
        return try scanKey(in: bytes)
    }

    /// Scans the value that begins here, whatever it is, and steps behind it.
    public mutating func scanValue(in bytes: Span<UInt8>) throws(JSONFault) -> JSONValue {
        skipWhiteSpace(in: bytes)
        let start = position
        switch try currentByte(in: bytes) {
        case ASCII.openBrace:
            try skipContainer(in: bytes)
            return .object(start..<position)
        case ASCII.openBracket:
            try skipContainer(in: bytes)
            return .array(start..<position)
        default:
            return try scanScalar(in: bytes)
        }
    }

    @inline(__always)
    mutating func skipWhiteSpace(in bytes: Span<UInt8>) {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    @inline(__always)
    func currentByte(in bytes: Span<UInt8>) throws(JSONFault) -> UInt8 {
        guard position < bytes.count else { throw JSONFault(.unexpectedEnd, at: position) }
        return bytes[position]
    }

    /// A string and the colon after it.
    private mutating func scanKey(in bytes: Span<UInt8>) throws(JSONFault) -> JSONString {
        guard try currentByte(in: bytes) == ASCII.quote else { throw JSONFault(.unexpectedByte, at: position) }
        let key = try scanString(in: bytes)
        skipWhiteSpace(in: bytes)
        guard try currentByte(in: bytes) == ASCII.colon else { throw JSONFault(.unexpectedByte, at: position) }
        position += 1
        return key
    }

    /// Steps over the object or array that begins here, with all that is in it.
    private mutating func skipContainer(in bytes: Span<UInt8>) throws(JSONFault) {
        var nesting = Nesting()
        try open(&nesting, in: bytes)
        while nesting.depth > 0 {
            skipWhiteSpace(in: bytes)
            if nesting.isObject { _ = try scanKey(in: bytes) }
            skipWhiteSpace(in: bytes)
            let byte = try currentByte(in: bytes)
            if byte == ASCII.openBrace || byte == ASCII.openBracket {
                // An empty one is closed at once; one with contents is gone through before its siblings.
                guard try !open(&nesting, in: bytes) else { continue }
            } else {
                _ = try scanScalar(in: bytes)
            }
            try closeOrContinue(&nesting, in: bytes)
        }
    }

    /// Steps into the container that begins here. True if an element follows; false if it was empty and is left.
    @discardableResult
    private mutating func open(_ nesting: inout Nesting, in bytes: Span<UInt8>) throws(JSONFault) -> Bool {
        guard depth + nesting.depth < depthLimit else { throw JSONFault(.tooDeep, at: position) }
        nesting.push(isObject: bytes[position] == ASCII.openBrace)
        position += 1
        skipWhiteSpace(in: bytes)
        guard try currentByte(in: bytes) == nesting.closer else { return true }
        position += 1
        nesting.pop()
        return false
    }

    /// After an element: steps over the brackets that close here, until a comma calls for another element or all
    /// is closed.
    private mutating func closeOrContinue(_ nesting: inout Nesting, in bytes: Span<UInt8>) throws(JSONFault) {
        while nesting.depth > 0 {
            skipWhiteSpace(in: bytes)
            let byte = try currentByte(in: bytes)
            if byte == ASCII.comma {
                position += 1
                return
            }
            guard byte == nesting.closer else { throw JSONFault(.unexpectedByte, at: position) }
            position += 1
            nesting.pop()
        }
    }
}

/// A value in a scanned text, by kind, with the range of its bytes.
public enum JSONValue: Hashable, Sendable {
    case object(Range<Int>)
    case array(Range<Int>)
    case string(JSONString)
    case number(Range<Int>)
    case boolean(Bool)
    case null
}

/// Which of the open containers are objects: one bit each, in place, so that no nesting allocates.
struct Nesting {
    static let capacity = 1024

    private(set) var depth = 0
    private var bits = InlineArray<16, UInt64>(repeating: 0)

    /// Whether the innermost container is an object.
    var isObject: Bool { bits[(depth - 1) >> 6] >> UInt64((depth - 1) & 63) & 1 == 1 }
    /// The byte that ends the innermost container.
    var closer: UInt8 { isObject ? ASCII.closeBrace : ASCII.closeBracket }

    mutating func push(isObject: Bool) {
        let mask: UInt64 = 1 << UInt64(depth & 63)
        if isObject { bits[depth >> 6] |= mask } else { bits[depth >> 6] &= ~mask }
        depth += 1
    }

    mutating func pop() { depth -= 1 }
}
