/// Which server is asked, and how.
import ArgumentParser
import Glibc

struct EndpointOptions: ParsableArguments {
    @Option(
        name: [.customShort("a"), .long],
        help: ArgumentHelp(
            "The server's admin endpoint: a port of this host, HOST:PORT, or https://HOST:PORT. "
                + "(environment: PANDO_ADMIN; default: 3790)", valueName: "address"))
    var admin: String?

    @Option(
        help: ArgumentHelp(
            "File whose first line is the endpoint's token. (environment: PANDO_ADMIN_TOKEN_FILE, or the token itself "
                + "in PANDO_ADMIN_TOKEN)", valueName: "path"), completion: .file())
    var tokenFile: String?

    @Option(
        name: .customLong("tls-ca"),
        help: ArgumentHelp(
            "Who judges the server's certificate, a PEM file; otherwise the authorities of this system.",
            valueName: "path"), completion: .file())
    var tlsCA: String?

    @Option(help: ArgumentHelp("How long an answer may take.", valueName: "ms"))
    var timeoutMs = 5000

    func validate() throws {
        guard timeoutMs > 0 else { throw ValidationError("--timeout-ms is 1 or more.") }
        if let admin, Endpoint(admin) == nil {
            throw ValidationError("'\(admin)' is no endpoint: give a port, HOST:PORT, or https://HOST:PORT.")
        }
    }

    func endpoint() throws(Failure) -> Endpoint {
        let text = admin ?? Self.variable("PANDO_ADMIN") ?? "3790"
        guard var endpoint = Endpoint(text) else {
            throw Failure(
                what: "'\(text)' in PANDO_ADMIN is no endpoint", advice: "give a port, HOST:PORT, or https://HOST:PORT")
        }
        endpoint.token = try token()
        endpoint.authority = tlsCA
        endpoint.milliseconds = timeoutMs
        return endpoint
    }

    private func token() throws(Failure) -> String? {
        let path: String
        if let tokenFile {
            path = tokenFile
        } else if let token = Self.variable("PANDO_ADMIN_TOKEN") {
            return try checked(token, "PANDO_ADMIN_TOKEN")
        } else if let file = Self.variable("PANDO_ADMIN_TOKEN_FILE") {
            path = file
        } else {
            return nil
        }
        switch SmallFile.read(path) {
        case .success(let text): return try checked(text.prefix { !$0.isNewline }.description, path)
        case .failure(let failure): throw failure
        }
    }

    private func checked(_ token: String, _ place: String) throws(Failure) -> String {
        guard !token.isEmpty, token.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
            throw Failure(what: "\(place) holds no token", advice: "its first line is the token, on a line of its own")
        }
        return token
    }

    private static func variable(_ name: String) -> String? {
        // A C string of the environment, which nobody changes, copied at once.
        guard let text = unsafe getenv(name) else { return nil }
        let value = unsafe String(cString: text)
        return value.isEmpty ? nil : value
    }
}

/// Files of a few lines.
enum SmallFile {
    static func read(_ path: String) -> Result<String, Failure> {
        // The string is passed as a C string that lives through the call.
        let fd = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return .failure(failure(path)) }
        defer { close(fd) }
        var (bytes, room) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
        while bytes.count < room.count {
            // The room lives through the call.
            let count = unsafe room.withUnsafeMutableBytes { unsafe Glibc.read(fd, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return .failure(failure(path)) }
            if count == 0 { break }
            bytes += room[..<count]
        }
        return .success(String(decoding: bytes, as: UTF8.self))
    }

    private static func failure(_ path: String) -> Failure {
        // A terminated string that is copied before any other call; there is one thread.
        let reason = unsafe String(cString: strerror(errno))
        return Failure(what: "'\(path)' cannot be read: \(reason)", advice: "is the path right, and may you read it?")
    }
}

/// The standard streams.
enum Output {
    static func write(_ lines: [String]) { write(lines.map { $0 + "\n" }.joined(), to: STDOUT_FILENO) }
    static func complain(_ failure: Failure) {
        write("pandoctl: \(Table.printable("\(failure)"))\n", to: STDERR_FILENO)
    }

    static func write(_ text: String, to fd: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            // The slice lives through the call.
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(fd, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            // Nobody reads any more: there is nothing left to do.
            guard count > 0 else { Glibc.exit(Status.failure) }
            rest = rest.dropFirst(count)
        }
    }

    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
}
