// What a real server tells whoever started it, over a real socket.

import Foundation
import Glibc
import Testing

/// What listens where systemd would.
final class NotifySocket {
    /// As NOTIFY_SOCKET has it.
    let name: String
    private let fd: Int32

    /// - Parameter isAbstract: without a file.
    init(isAbstract: Bool = false) throws {
        let path = NSTemporaryDirectory() + "pando-notify-\(UUID().uuidString)"
        name = isAbstract ? "@" + path.dropFirst() : path
        fd = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        if isAbstract { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let size = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(fd, $0, size) }
        }
        guard result == 0 else { throw Sockets.reason("bind \(name)") }
    }

    deinit {
        close(fd)
        if name.hasPrefix("/") { unlink(name) }
    }

    /// The lines of the next datagram.
    func next(seconds: Double = 20) throws -> [String] {
        guard Sockets.wait(fd, for: Int32(POLLIN), Deadline(seconds: seconds)) else {
            throw HarnessError("nothing was told")
        }
        var room = [UInt8](repeating: 0, count: 4096)
        let count = recv(fd, &room, room.count, 0)
        guard count >= 0 else { throw Sockets.reason("recv") }
        return String(decoding: room[..<count], as: UTF8.self).components(separatedBy: "\n")
    }

    /// The next datagrams that begin differently.
    func next(_ head: String) throws -> [String] {
        while true {
            let lines = try next()
            if lines.first == head { return lines }
        }
    }
}

extension LightTests {
    @Suite(.timeLimit(.minutes(5))) struct ServiceTests {
        private func start(
            _ variables: String, _ more: [String] = [], _ options: ServerOptions = ServerOptions()
        ) throws -> Program {
            var options = options
            options.more += more
            // The shell becomes the server, so its number is the server's.
            return try Program(
                shell: "\(variables) exec \"$0\" \"$@\"", named: "pando-server", options.arguments)
        }

        @Test(arguments: [false, true])
        func `it tells when it serves, reads its settings again, and leaves`(isAbstract: Bool) throws {
            let socket = try NotifySocket(isAbstract: isAbstract)
            let program = try start("NOTIFY_SOCKET='\(socket.name)'")
            defer { program.kill9() }
            let ready = try socket.next()
            #expect(ready == ["READY=1", "STATUS=serving; clients: 0; servers reachable: 1"])
            _ = try program.outputLine("the ready line") { $0.contains(" ready on ") }
            // There is nothing to read again: it says so by being ready again.
            program.signal(SIGHUP)
            let reloading = try socket.next()
            #expect(reloading.first == "RELOADING=1")
            #expect(reloading.last?.wholeMatch(of: /MONOTONIC_USEC=[0-9]+/) != nil)
            #expect(try socket.next().first == "READY=1")
            #expect(try program.terminate() == .code(0))
            #expect(try socket.next() == ["STOPPING=1", "STATUS=leaving the network"])
        }

        @Test func `settings that are refused are an end of reading them`() throws {
            let path = NSTemporaryDirectory() + "pando-\(UUID().uuidString).yaml"
            defer { unlink(path) }
            func write(_ text: String) {
                #expect(FileManager.default.createFile(atPath: path, contents: Data(text.utf8)))
            }
            write("log-level: info\n")
            let socket = try NotifySocket()
            let program = try start("NOTIFY_SOCKET='\(socket.name)'", ["--config", path])
            defer { program.kill9() }
            #expect(try socket.next().first == "READY=1")
            for text in ["log-level: loud\n", "log-level: debug\n"] {
                write(text)
                program.signal(SIGHUP)
                #expect(try socket.next().first == "RELOADING=1")
                #expect(try socket.next().first == "READY=1")
            }
        }

        @Test func `it tells that its loop turns, before it serves too`() throws {
            let socket = try NotifySocket()
            // Somebody who takes the connection and says nothing.
            let mute = try Sockets.listen()
            defer { close(mute.fd) }
            var options = ServerOptions()
            options.remotePort = mute.port
            options.more = ["--join-patience-ms", "600000", "--handshake-ms", "600000"]
            let program = try start(
                "NOTIFY_SOCKET='\(socket.name)' WATCHDOG_USEC=100000 WATCHDOG_PID=$$", options: options)
            defer { program.kill9() }
            for _ in 0..<3 {
                #expect(try socket.next() == ["WATCHDOG=1", "STATUS=joining; clients: 0; servers reachable: 1"])
            }
            // Being ready after reading the settings again would be taken for being ready at all.
            program.signal(SIGHUP)
            _ = try program.errorLine("what is to be reloaded") { $0.contains("nothing to reload") }
            for _ in 0..<3 { #expect(try socket.next().first == "WATCHDOG=1") }
        }

        private func start(_ variables: String, options: ServerOptions) throws -> Program {
            try start(variables, [], options)
        }

        @Test(arguments: ["/nobody/is/here", "nonsense"])
        func `whoever cannot be told holds up nothing`(name: String) throws {
            let program = try start("NOTIFY_SOCKET=\(name) WATCHDOG_USEC=2000")
            defer { program.kill9() }
            _ = try program.outputLine("the ready line") { $0.contains(" ready on ") }
            #expect(try program.terminate() == .code(0))
            let complaints = program.errorLines.filter { $0.contains("the service manager cannot be told anything") }
            #expect(complaints.count == 1)
        }

        // MARK: The log

        @Test func `a log file that was moved away is opened again`() throws {
            let folder = NSTemporaryDirectory() + "pando-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let (path, old) = (folder + "/log", folder + "/log.1")
            func text(_ path: String) -> String {
                String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
            }
            let program = try start("", ["--log-file", path])
            defer { program.kill9() }
            _ = try program.outputLine("the ready line") { $0.contains(" ready on ") }
            try wait(for: "the log") { text(path).contains("serving clients") }
            try #require(rename(path, old) == 0)
            program.signal(SIGUSR1)
            try wait(for: "a new file") { access(path, F_OK) == 0 }
            #expect(try program.terminate() == .code(0))
            #expect(text(path).contains("shutting down") && !text(old).contains("shutting down"))
            #expect(program.errorLines == [])
        }

        @Test func `a log file that cannot be opened again stays in use`() throws {
            let folder = NSTemporaryDirectory() + "pando-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let (path, old) = (folder + "/log", folder + "/log.1")
            let program = try start("", ["--log-file", path])
            defer { program.kill9() }
            _ = try program.outputLine("the ready line") { $0.contains(" ready on ") }
            try #require(rename(path, old) == 0)
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            program.signal(SIGUSR1)
            try wait(for: "a complaint") {
                String(decoding: FileManager.default.contents(atPath: old) ?? Data(), as: UTF8.self)
                    .contains("cannot be opened again")
            }
            #expect(try program.terminate() == .code(0))
        }

        @Test func `a log file that is none is told at once`() throws {
            let program = try start("", ["--log-file", "/nobody/is/here"])
            defer { program.kill9() }
            #expect(try program.waitForExit() == .code(64))
            #expect(program.errorLines.first?.contains("--log-file cannot be written") == true)
        }

        /// A disk that is full: what is lost is counted, and the server serves.
        @Test func `a disk that is full stops nobody`() throws {
            let program = try start("", ["--log-file", "/dev/full"])
            defer { program.kill9() }
            let line = try program.outputLine("the ready line") { $0.contains(" ready on ") }
            let port = try #require(ReadyLine(line)?.port)
            let client = try TestClient(port: port)
            try client.login()
            try client.sayAndHear(#"{"still":"served"}"#)
            #expect(try program.terminate() == .code(0))
        }

        @Test func `lines for the journal carry their priority, and no time`() throws {
            // The shell tells which stream it gives to the server, as the journal does.
            let program = try start("export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2);")
            defer { program.kill9() }
            _ = try program.errorLine("priority") { $0 == "<6>serving clients, alone for now" }
            #expect(try program.terminate() == .code(0))
            #expect(program.errorLines.allSatisfy { $0.wholeMatch(of: /<[2-7]>[a-zA-Z].*/) != nil })
            let other = try start("export JOURNAL_STREAM=1:2;")
            defer { other.kill9() }
            _ = try other.errorLine("no priority") { $0.hasSuffix("Z info serving clients, alone for now") }
        }
    }
}
