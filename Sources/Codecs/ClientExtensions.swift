/// What a client may ask for beyond the protocol, at LOGIN: acknowledged sending (`run`) and positions (`resume`).
///
/// Members of another type or form than those here are ignored like any other unknown member: nobody who does not mean
/// it gets a line that he does not know.
public struct ClientExtensions: Hashable, Sendable {
    /// A name that the client has drawn for this run of it, as a number: within a run its activities are numbered.
    public var run: UInt64?
    /// What the client has been shown, of each origin; empty: it has no position yet, and wants to be told.
    public var positions: Floor?

    public init(run: UInt64? = nil, positions: Floor? = nil) {
        self.run = run
        self.positions = positions
    }

    public var isEmpty: Bool { run == nil && positions == nil }

    /// The longest name of a run.
    public static let runBytesMax = 64

    /// What a LOGIN, which is known to be valid, asks for.
    public init(login line: Span<UInt8>) {
        var scanner = JSONScanner()
        do throws(JSONFault) {
            try scanner.begin(in: line)
            guard try scanner.enterObject(in: line) else { return }
            while let key = try scanner.nextKey(in: line) {
                if key.equals("run", in: line) {
                    run = Self.run(try scanner.scanValue(in: line), in: line)
                } else if key.equals("resume", in: line) {
                    positions = try Self.positions(&scanner, in: line).map { Floor($0) }
                } else {
                    _ = try scanner.scanValue(in: line)
                }
            }
        } catch {
            // It has been parsed before.
        }
    }

    /// The number of an activity in its run; nil if the line of the ACTIVITY_MESSAGE has none above 0.
    public static func number(ofActivity line: Span<UInt8>) -> UInt64? {
        var scanner = JSONScanner()
        var number: UInt64?
        do throws(JSONFault) {
            try scanner.begin(in: line)
            guard try scanner.enterObject(in: line) else { return nil }
            while let key = try scanner.nextKey(in: line) {
                let isNumber = key.equals("number", in: line)
                let value = try scanner.scanValue(in: line)
                if isNumber { number = integer(value, in: line) }
            }
        } catch {
            return nil
        }
        return number
    }

    private static func run(_ value: JSONValue, in line: Span<UInt8>) -> UInt64? {
        guard case .string(let text) = value else { return nil }
        let name = text.decoded(in: line)
        guard !name.isEmpty, name.count <= runBytesMax else { return nil }
        // FNV-1a, 64 bits.
        return name.reduce(0xCBF2_9CE4_8422_2325) { hash, byte in (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }

    private static func integer(_ value: JSONValue, in line: Span<UInt8>) -> UInt64? {
        guard case .number(let range) = value, range.count <= 19 else { return nil }
        var number: UInt64 = 0
        for index in range {
            guard line[index] >= ASCII.zero, line[index] <= ASCII.nine else { return nil }
            number = number * 10 + UInt64(line[index] - ASCII.zero)
        }
        return number > 0 ? number : nil
    }

    /// The members of an object of positions; nil if it is none.
    static func positions(in object: Span<UInt8>) -> [StreamPosition]? {
        var scanner = JSONScanner()
        do throws(JSONFault) {
            return try positions(&scanner, in: object)
        } catch {
            return nil
        }
    }

    private static func positions(
        _ scanner: inout JSONScanner, in line: Span<UInt8>
    ) throws(JSONFault) -> [StreamPosition]? {
        guard try scanner.enterObject(in: line) else {
            _ = try scanner.scanValue(in: line)
            return nil
        }
        var positions: [StreamPosition] = []
        var isValid = true
        while let key = try scanner.nextKey(in: line) {
            let value = try scanner.scanValue(in: line)
            guard positions.count < Floor.positionsMax, let origin = ServerID(hexadecimal: key.decoded(in: line)),
                case .number = value
            else {
                isValid = false
                continue
            }
            positions.append(StreamPosition(origin: origin, seq: integer(value, in: line) ?? 0))
        }
        return isValid ? positions : nil
    }
}

extension ServerID {
    /// Reads what `description` says.
    public init?(hexadecimal text: [UInt8]) {
        guard text.count == 32 else { return nil }
        var words: [UInt64] = [0, 0]
        for (index, byte) in text.enumerated() {
            guard let digit = JSONString.digitValue(byte) else { return nil }
            words[index / 16] = words[index / 16] << 4 | UInt64(digit)
        }
        self.init(startStamp: words[0], random: words[1])
    }
}
