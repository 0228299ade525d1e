/// Users of the whole network: who there is, and what an operator does to them.
import ArgumentParser
import Codecs
import Glibc

struct UsersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "users", abstract: "All users of the network, as the server that is asked knows them.")
    @OptionGroup var source: EndpointOptions
    @OptionGroup var form: JSONOption

    func run() throws {
        let users = (try source.endpoint().document("/users.json"))["users"]?.elements ?? []
        Output.write(form.json ? [JSONTree.array(users).text] : Users.lines(users))
    }
}

struct UserCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "Changes a user in the whole network, by any server of it.",
        discussion: """
            It takes the token of the server's admin endpoint (pando-server --admin-token-file). It is done when two \
            servers know it, and the disk of the one that is asked, if it has a --state-dir; servers that are cut off \
            hear of it when they are back.
            """, subcommands: [Add.self, SetSecret.self, Kick.self, Remove.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Registers a user. The secret is the first line of the standard input.")
        @OptionGroup var user: UserOptions
        @OptionGroup var secret: SecretOptions

        func run() throws { try user.change("add", secret: try secret.read()) }
    }

    struct SetSecret: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set-secret",
            abstract: "Gives a user another secret, and ends the sessions of the old one. The secret is the first line "
                + "of the standard input.")
        @OptionGroup var user: UserOptions
        @OptionGroup var secret: SecretOptions

        func run() throws { try user.change("set-secret", secret: try secret.read()) }
    }

    struct Kick: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "kick", abstract: "Ends all sessions of a user, who may log in again.")
        @OptionGroup var user: UserOptions

        func run() throws { try user.change("kick", secret: nil) }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Ends all sessions of a user and frees the name.")
        @OptionGroup var user: UserOptions

        func run() throws { try user.change("remove", secret: nil) }
    }
}

struct UserOptions: ParsableArguments {
    @Argument(help: ArgumentHelp("The user's name.", valueName: "name")) var name: String
    @OptionGroup var source: EndpointOptions
    @OptionGroup var form: JSONOption

    func change(_ action: String, secret: String?) throws {
        var body: JSONTree = ["action": .string(action), "username": .string(name)]
        if let secret {
            body = ["action": .string(action), "username": .string(name), "secret": .string(secret)]
        }
        _ = try source.endpoint().post("/users", Array(body.text.utf8))
        let answer: JSONTree = ["user": .string(name), "action": .string(action), "done": .boolean(true)]
        Output.write([form.json ? answer.text : "\(Table.printable(name)): \(action): done"])
    }
}

struct SecretOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("File whose first line is the user's secret.", valueName: "path"), completion: .file())
    var secretFile: String?

    func read() throws -> String {
        guard let secretFile else { return try Self.ask() }
        switch SmallFile.read(secretFile) {
        case .success(let text): return try Self.checked(text)
        case .failure(let failure): throw failure
        }
    }

    /// From a terminal without showing it.
    private static func ask() throws -> String {
        let isTerminal = isatty(STDIN_FILENO) == 1
        var settings = termios()
        if isTerminal {
            Output.write("secret: ", to: STDERR_FILENO)
            // A local of the right type.
            _ = unsafe tcgetattr(STDIN_FILENO, &settings)
            var silent = settings
            silent.c_lflag &= ~tcflag_t(ECHO)
            _ = unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
        }
        defer {
            if isTerminal {
                _ = unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings)
                Output.write("\n", to: STDERR_FILENO)
            }
        }
        return try checked(readLine(strippingNewline: true) ?? "")
    }

    private static func checked(_ text: String) throws -> String {
        let secret = String(text.prefix { !$0.isNewline })
        guard !secret.isEmpty else {
            throw Failure(
                what: "there is no secret", advice: "give it on the first line of standard input, or by --secret-file")
        }
        return secret
    }
}

enum Users {
    static func lines(_ users: [JSONTree]) -> [String] {
        guard !users.isEmpty else { return ["no users"] }
        var table = Table(("user", .left), ("registered", .left), ("here", .right), ("elsewhere", .right))
        for user in users {
            table.add(
                user["user"]?.string ?? "", date(user["registered_ms"]?.integer ?? 0),
                "\(user["sessions_here"]?.integer ?? 0)", "\(user["sessions_elsewhere"]?.integer ?? 0)")
        }
        return table.lines
    }

    /// The day and the minute, as the terminal's owner has them.
    private static func date(_ milliseconds: Int) -> String {
        var (seconds, parts) = unsafe (time_t(milliseconds / 1000), tm())
        // Locals of the right types.
        _ = unsafe localtime_r(&seconds, &parts)
        func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + "\(number)" }
        return unsafe "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min))"
    }
}
