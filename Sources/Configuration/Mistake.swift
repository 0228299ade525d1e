/// Where a value stands, and what is wrong with it.

/// Where the value of a setting comes from. The later case wins over the earlier one.
public enum Origin: Hashable, Sendable, CustomStringConvertible {
    /// Nobody gave it.
    case standard
    case file(String, line: Int, column: Int)
    /// By the variable's name.
    case environment(String)
    /// By the option's spelling.
    case option(String)

    /// The one precedence of everything that can be set.
    public var rank: Int {
        switch self {
        case .standard: 0
        case .file: 1
        case .environment: 2
        case .option: 3
        }
    }

    public var description: String {
        switch self {
        case .standard: "default"
        case .file(let name, let line, let column): "\(name):\(line):\(column)"
        case .environment(let variable): variable
        case .option(let option): option
        }
    }
}

/// Something that was given and cannot be taken: where it stands, what it is, what to do about it.
public struct Mistake: Error, Hashable, Sendable, CustomStringConvertible {
    public var origin: Origin
    public var text: String

    public init(_ origin: Origin, _ text: String) {
        self.origin = origin
        self.text = text
    }

    public var description: String { "\(origin): \(text)" }
}
