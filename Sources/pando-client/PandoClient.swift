import ArgumentParser
import Glibc
import TLS

/// Options of the client, and what they mean for the session.
@main
struct PandoClient: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pando-client",
        abstract: "Sends activities to a network of servers, and prints those of everybody.",
        discussion: """
            Type a line to send it. A JSON object is sent as it is, any other text as {"text": …}. What anybody \
            sends, you too, is printed on standard output, one JSON object a line; everything else goes to standard \
            error. ctrl-D or ctrl-C logs out.

            USERS
            Without --user you are "anonymous". With --user alone the name is registered with a fresh secret, which \
            is printed on standard error, on a line of its own: keep it, unless the registration is refused. With \
            --user and --secret you log in. Mind that other users of this machine can see the arguments of your \
            processes.

            CONNECTION
            A server may send its clients to another one at any time; that is followed, with the same user and \
            secret. If the connection is lost, others are tried until one lasts, with growing pauses. Meanwhile what \
            you type waits: up to \(ClientSession.outboxLines) lines or \(ClientSession.outboxBytes >> 20) MiB, then \
            no more is read, so nothing is lost. With a name, what was sent just before a connection broke is sent \
            again, and what was missed comes, each once, if the servers can tell (Pando's do). Without one, it may be \
            lost.

            TLS
            With --tls nobody on the way can read or change anything, if the server has TLS for clients. A server to \
            which another one sends you must have a certificate for the name that was told.

            END OF INPUT
            When the input has ended and all of it is sent, the client goes on receiving for --linger-ms, then logs \
            out. With --stay it goes on for ever.

            EXAMPLES
              pando-client                              talk as anonymous, at this machine
              pando-client -u alice                     register alice and log in
              pando-client -u alice -s SECRET -rh HOST  log in at another machine
              echo 'build 17 is green' | pando-client   send one activity and end
              pando-client --stay < /dev/null > log     only listen
              tail -f events | pando-client > /dev/null only send

            EXIT STATUS
              0   all went well
              1   the server refused the user, the secret or a message
              2   no connection (--no-reconnect), or lost after the end of input
              74  standard output could not be written
              255 wrong use, as with all clients of this protocol
            """,
        version: "0.2.0")

    @Option(
        name: [.customShort("u"), .long], help: ArgumentHelp("The user; without it, anonymous.", valueName: "name"))
    var user: String?

    // A secret may begin with a dash.
    @Option(name: [.customShort("s"), .long], parsing: .unconditional, help: "The user's secret.")
    var secret: String?

    @Option(
        name: [.customLong("rh", withSingleDash: true), .long],
        help: ArgumentHelp("A server of the network: name or address.", valueName: "host"))
    var remoteHost = "localhost"

    @Option(
        name: [.customLong("rp", withSingleDash: true), .long],
        help: ArgumentHelp("That server's port, 1 to 65535.", valueName: "port"))
    var remotePort: UInt16 = 3780

    @Flag(help: "Connect under TLS. The server's certificate must be valid for its name.")
    var tls = false

    @Option(
        name: .customLong("tls-ca"),
        help: ArgumentHelp(
            "Who judges the servers, a PEM file; otherwise the authorities of this system. Means --tls.",
            valueName: "path"), completion: .file())
    var tlsCA: String?

    @Option(
        help: ArgumentHelp(
            "The name in the certificate of the given server, if it is not that of --remote-host. Means --tls.",
            valueName: "name"))
    var tlsName: String?

    @Flag(help: "Take any server for the right one: TLS without protection from who sits in between. Means --tls.")
    var tlsInsecure = false

    @Flag(help: "Go on receiving after the end of input.")
    var stay = false

    @Option(help: ArgumentHelp("How long to go on receiving after the end of input.", valueName: "ms"))
    var lingerMs: UInt32 = 500

    @Flag(help: "End when the first connection fails or is lost.")
    var noReconnect = false

    @Option(help: ArgumentHelp("The first pause before another attempt to connect.", valueName: "ms"))
    var retryMinMs: UInt32 = 200

    @Option(help: ArgumentHelp("The longest pause.", valueName: "ms"))
    var retryMaxMs: UInt32 = 10_000

    @Flag(name: .shortAndLong, help: "Say nothing on standard error (but a fresh secret).")
    var quiet = false

    /// As `ParsableCommand.main`, but for the exit status of wrong use, which scripts for this protocol know.
    static func main() {
        do {
            let command = try parse()
            try command.run()
        } catch {
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
            Descriptor.tell(fullMessage(for: error))
            Glibc.exit(255)
        }
    }

    func validate() throws {
        if remotePort == 0 { throw ValidationError("The port must be from 1 to 65535.") }
        if remoteHost.isEmpty { throw ValidationError("The host must not be empty.") }
        if tlsInsecure, tlsCA != nil || tlsName != nil {
            throw ValidationError("--tls-insecure checks nothing: leave out --tls-ca and --tls-name.")
        }
        if user?.isEmpty == true { throw ValidationError("The user name must not be empty.") }
        if retryMinMs > retryMaxMs { throw ValidationError("--retry-min-ms must not be more than --retry-max-ms.") }
    }

    func run() throws {
        let security = try self.security()
        var loop = ClientLoop(ClientSession(sessionOptions()), isQuiet: quiet, security: security)
        if tlsInsecure { Descriptor.tell("Mind: with --tls-insecure anybody can pass for the server.") }
        if !quiet, isatty(STDIN_FILENO) == 1 {
            Descriptor.tell("Type a line to send it: text, or a JSON object. ctrl-D ends.")
        }
        throw ExitCode(loop.run().rawValue)
    }

    private func security() throws -> ClientLoop.Security? {
        guard tls || tlsCA != nil || tlsName != nil || tlsInsecure else { return nil }
        do throws(TLSError) {
            if tlsInsecure { return ClientLoop.Security(context: try TLSContext(credulous: ()), isCredulous: true) }
            return ClientLoop.Security(context: try TLSContext(client: tlsCA), name: tlsName)
        } catch { throw ValidationError("TLS cannot be set up: \(error)") }
    }

    private func sessionOptions() -> ClientSession.Options {
        var generator = SystemRandomNumberGenerator()
        var options = ClientSession.Options(
            server: ClientSession.Server(host: Array(remoteHost.utf8), port: remotePort),
            username: Array("anonymous".utf8))
        options.reconnects = !noReconnect
        options.linger = stay ? nil : UInt64(lingerMs)
        options.backOff = BackOff(shortest: UInt64(retryMinMs), longest: UInt64(retryMaxMs))
        options.seed = generator.next()
        // The anonymous user has no secret: one that is given is ignored, here as by the servers.
        guard let user, user != "anonymous" else { return options }
        options.username = Array(user.utf8)
        options.secret = Array((secret ?? freshSecret(for: user, using: &generator)).utf8)
        options.registers = secret == nil
        options.run = Array("\(String(options.seed, radix: 32))-\(generator.next() as UInt64)".utf8)
        return options
    }

    /// A secret of 130 random bits: 26 digits of base 32. It is told, or nobody could ever log in with it again.
    private func freshSecret(for user: String, using generator: inout SystemRandomNumberGenerator) -> String {
        let digits = Array("0123456789abcdefghijklmnopqrstuv")
        let secret = String((0..<26).map { _ in digits[Int.random(in: 0..<32, using: &generator)] })
        Descriptor.tell("The secret of \(ClientSession.legible(Array(user.utf8))) is on the next line.")
        Descriptor.tell(secret)
        return secret
    }
}
