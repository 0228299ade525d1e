/// What values a setting takes: from text and back.

/// Reads and shows the values of one type.
public struct Kind<Value: Sendable>: Sendable {
    /// What is expected, in words: the remedy of every mistake.
    public let expected: String
    let read: @Sendable (String) -> Value?
    /// Nil if there is nothing to show.
    let show: @Sendable (Value) -> String?

    public init(
        _ expected: String, read: @escaping @Sendable (String) -> Value?,
        show: @escaping @Sendable (Value) -> String? = { "\($0)" }
    ) {
        self.expected = expected
        self.read = read
        self.show = show
    }

    /// A value that may be absent. What is given is always there.
    public var orNone: Kind<Value?> {
        Kind<Value?>(expected, read: { read($0).map(Optional.some) }, show: { $0.flatMap(show) })
    }
}

extension Kind where Value: FixedWidthInteger {
    /// A number within bounds; `unit` is what is counted.
    public static func number(_ range: ClosedRange<Value>, _ unit: String = "") -> Kind {
        let bounds = "\(range.lowerBound) to \(range.upperBound)"
        return Kind(unit.isEmpty ? "a number from \(bounds)" : "\(bounds) \(unit)") { text in
            Value(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }
}

extension Kind<Int> {
    /// Given in MiB, kept in bytes.
    public static func mebibytes(_ range: ClosedRange<Int>) -> Kind {
        let number = Kind.number(range, "MiB")
        return Kind(number.expected, read: { number.read($0).map { $0 << 20 } }, show: { "\($0 >> 20)" })
    }
}

extension Kind<Bool> {
    /// Two words, since more are what YAML is famous for.
    public static let truth = Kind("true or false") { ["true": true, "false": false][$0] }
}

extension Kind<String> {
    public static let path = Kind("a path of a file") { $0.isEmpty || $0.hasSuffix("/") ? nil : $0 }
}

extension Kind where Value: RawRepresentable, Value.RawValue == String, Value: CaseIterable {
    /// One of the cases.
    public static var choice: Kind {
        Kind(Value.allCases.map(\.rawValue).joined(separator: ", "), read: Value.init, show: \.rawValue)
    }
}
