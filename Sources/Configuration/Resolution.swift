/// From what was given to what is in force: an option before the environment before the file before the default.

/// What is in force, where it comes from, and everything that is wrong with it.
public struct Resolution<Target> {
    public var target: Target
    public private(set) var mistakes: [Mistake] = []
    /// Settings that somebody gave.
    public private(set) var origins: [String: Origin] = [:]
    private var flawed: Set<String> = []

    /// - Parameter environment: `NAME=value` each.
    public init(
        _ target: Target, _ groups: [SettingGroup<Target>], file: ConfigurationFile, environment: [String: String]
    ) {
        self.target = target
        let settings = groups.flatMap(\.settings)
        mistakes = file.mistakes
        for setting in settings {
            for (origin, text) in sources(of: setting, file, environment) { take(text, setting, origin) }
        }
        blameUnknownKeys(file, settings)
        blameUnknownVariables(environment, settings)
    }

    public func origin(_ name: String) -> Origin { origins[name] ?? .standard }

    public func isGiven(_ name: String) -> Bool { origins[name] != nil }

    /// Asks rules whose settings are in order each for itself.
    public mutating func check(_ rules: [Rule<Target>]) {
        for rule in rules where flawed.isDisjoint(with: rule.names) && !rule.holds(self) {
            blame(rule.names, rule.text)
        }
    }

    /// Tells of a mistake in some settings, at the place that counts most.
    public mutating func blame(_ names: [String], _ text: String) {
        let origin = names.map(origin).max { $0.rank < $1.rank } ?? .standard
        mistakes.append(Mistake(origin, text))
        flawed.formUnion(names)
    }

    /// As if nobody had given it: something else took its place.
    public mutating func forget(_ name: String) { origins[name] = nil }

    // MARK: Values

    /// From the weakest to the strongest.
    private func sources(
        of setting: Setting<Target>, _ file: ConfigurationFile, _ environment: [String: String]
    ) -> [(Origin, String)] {
        var sources: [(Origin, String)] = []
        if let entry = file.entries.first(where: { $0.key == setting.name }) {
            sources.append((entry.valueOrigin, entry.value))
        }
        if let text = environment[setting.variable] { sources.append((.environment(setting.variable), text)) }
        if let text = setting.given { sources.append((.option(setting.option), text)) }
        return sources
    }

    /// A value that something stronger replaces is checked all the same: it waits to be used.
    private mutating func take(_ text: String, _ setting: Setting<Target>, _ origin: Origin) {
        if setting.isSecret, case .file = origin {
            let text = "'\(setting.name)' does not stand in this file: put it into one of its own, and name that with "
            return fail(setting, origin, "\(text)'\(setting.name)-file'.")
        }
        if let expected = setting.take(text, &target) {
            let what = setting.isSecret ? "this is not taken" : "'\(text)' is not taken"
            return fail(setting, origin, "\(Self.name(setting, at: origin))\(what); \(expected).")
        }
        origins[setting.name] = origin
    }

    /// An option or a variable says by its place which setting it is.
    private static func name(_ setting: Setting<Target>, at origin: Origin) -> String {
        if case .file = origin { "\(setting.name): " } else { "" }
    }

    private mutating func fail(_ setting: Setting<Target>, _ origin: Origin, _ text: String) {
        mistakes.append(Mistake(origin, text))
        flawed.insert(setting.name)
    }

    // MARK: Names

    private mutating func blameUnknownKeys(_ file: ConfigurationFile, _ settings: [Setting<Target>]) {
        let names = settings.map(\.name)
        for entry in file.entries where !names.contains(entry.key) {
            let remedy =
                Spelling.nearest(entry.key, among: names).map { "did you mean '\($0)'?" }
                ?? "--help names all settings."
            mistakes.append(Mistake(entry.keyOrigin, "'\(entry.key)' is not known; \(remedy)"))
        }
    }

    /// The environment is shared with others, who may use our prefix (a container's runtime does): only what is nearly
    /// one of our names is a slip.
    private mutating func blameUnknownVariables(_ environment: [String: String], _ settings: [Setting<Target>]) {
        let variables = settings.map(\.variable)
        for name in environment.keys.sorted() where name.hasPrefix(prefixOfVariables) && !variables.contains(name) {
            guard let near = Spelling.nearest(name, among: variables), Spelling.distance(near, name) <= 2 else {
                continue
            }
            mistakes.append(Mistake(.environment(name), "'\(name)' is not known; did you mean '\(near)'?"))
        }
    }
}

// MARK: - Change

/// What new settings mean for a program that runs.
public struct Change<Target> {
    /// What is in force from now on.
    public var target: Target
    /// Settings that have a new value.
    public var changed: [String] = []
    /// Settings that differ, and need a new start.
    public var waiting: [String] = []
}

extension Resolution {
    /// What can change of what is in force, and what cannot.
    public func change(from old: Target, _ groups: [SettingGroup<Target>]) -> Change<Target> {
        var change = Change(target: old)
        for setting in groups.flatMap(\.settings) where !setting.isSame(old, target) {
            if setting.isLive {
                setting.adopt(target, &change.target)
                change.changed.append(setting.name)
            } else {
                change.waiting.append(setting.name)
            }
        }
        return change
    }
}

// MARK: - What is in force

extension Resolution {
    /// A configuration file that says what is in force, and behind each value where it comes from; no secrets.
    public func text(_ groups: [SettingGroup<Target>]) -> String {
        groups.map { group in
            "\n# \(group.title)\n" + group.settings.map { line(of: $0) + "\n" }.joined()
        }.joined()
    }

    private func line(of setting: Setting<Target>) -> String {
        let origin = origin(setting.name)
        guard !setting.isSecret, let value = setting.show(target) else {
            let what = isGiven(setting.name) ? "not shown" : setting.otherwise
            return "# \(setting.name): \(what)  # \(origin)"
        }
        return "\(setting.name): \(Self.quoted(value))  # \(origin)"
    }

    /// As YAML reads it back, whatever it holds.
    private static func quoted(_ value: String) -> String {
        let isPlain = value.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        if isPlain, !value.isEmpty { return value }
        return "'" + value.map { $0 == "'" ? "''" : String($0) }.joined() + "'"
    }
}
