/// One thing that can be set, whatever way it comes in.

/// A row of the table of settings: a name, which is the key in the file, the long option and, in capitals, the variable
/// of the environment; what it takes; where it goes.
public struct Setting<Target> {
    public let name: String
    /// How a mistake calls the option.
    public let option: String
    /// What the command line said.
    let given: String?
    /// What holds if nobody sets it and there is no value to show.
    let otherwise: String
    public let isSecret: Bool
    /// It can change while the program runs.
    let isLive: Bool
    /// What it takes; nil if the text is fine, and then it is set.
    let take: (String, inout Target) -> String?
    let show: (Target) -> String?
    let isSame: (Target, Target) -> Bool
    /// Copies the value from the one to the other.
    let adopt: (Target, inout Target) -> Void

    /// - Parameter short: the option's short name, if it has one.
    /// - Parameter isSecret: never shown, and not for a file that others read.
    /// - Parameter isLive: the program takes a new value while it runs.
    public init<Value: Equatable>(
        _ name: String, short: String? = nil, _ given: String?, _ path: WritableKeyPath<Target, Value>,
        _ kind: Kind<Value>, otherwise: String = "none", isSecret: Bool = false,
        isLive: Bool = false
    ) {
        self.name = name
        option = short.map { "\($0), --\(name)" } ?? "--\(name)"
        self.given = given
        self.otherwise = otherwise
        self.isSecret = isSecret
        self.isLive = isLive
        take = { text, target in
            guard let value = kind.read(text) else { return kind.expected }
            target[keyPath: path] = value
            return nil
        }
        isSame = { $0[keyPath: path] == $1[keyPath: path] }
        adopt = { $1[keyPath: path] = $0[keyPath: path] }
        show = { kind.show($0[keyPath: path]) }
    }

    /// `PANDO_…`.
    public var variable: String {
        prefixOfVariables + String(name.uppercased().map { $0 == "-" ? "_" : $0 })
    }
}

/// What all variables of ours begin with.
public let prefixOfVariables = "PANDO_"

/// Settings that belong together.
public struct SettingGroup<Target> {
    public let title: String
    public let settings: [Setting<Target>]

    public init(_ title: String, _ settings: [Setting<Target>]) {
        self.title = title
        self.settings = settings
    }
}

/// What must hold between settings.
public struct Rule<Target>: Sendable {
    let names: [String]
    let text: String
    let holds: @Sendable (Resolution<Target>) -> Bool

    /// - Parameter names: the settings that it is about. With a mistake in one of them it is not asked.
    public init(_ names: [String], _ text: String, holds: @escaping @Sendable (Resolution<Target>) -> Bool) {
        self.names = names
        self.text = text
        self.holds = holds
    }
}
