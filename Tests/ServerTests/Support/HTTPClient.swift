// Requests to the admin endpoint, byte by byte as the test wants them.

import Foundation
import Glibc

/// What a server answered.
struct HTTPAnswer {
    let status: Int
    let headers: [String: String]
    /// Put together again, if it came in parts.
    let body: [UInt8]
    /// How many parts it came in; 0 if it has a length.
    let parts: Int

    var text: String { String(decoding: body, as: UTF8.self) }
    var json: JSON { get throws { try JSON(bytes: body) } }

    init(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: Unicode.ASCII.self)
        guard let end = text.range(of: "\r\n\r\n") else { throw HarnessError("no head: \(text.prefix(200))") }
        let lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
        guard let match = lines[0].firstMatch(of: #/^HTTP/1\.1 ([0-9]{3}) /#), let status = Int(match.1) else {
            throw HarnessError("no status: \(lines[0])")
        }
        self.status = status
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { throw HarnessError("no field: \(line)") }
            let name = line[..<colon].lowercased()
            headers[name] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        self.headers = headers
        let rest = Array(bytes[text.utf8.distance(from: text.startIndex, to: end.upperBound)...])
        if headers["transfer-encoding"] == "chunked", !rest.isEmpty {
            (body, parts) = try Self.joined(rest)
        } else {
            if let length = headers["content-length"].flatMap({ Int($0) }), length != rest.count, !rest.isEmpty {
                throw HarnessError("\(rest.count) bytes instead of \(length)")
            }
            (body, parts) = (rest, 0)
        }
    }

    private static func joined(_ bytes: [UInt8]) throws -> ([UInt8], Int) {
        var (rest, body, parts) = (bytes[...], [UInt8](), 0)
        while let end = rest.firstIndex(of: 13) {
            guard let count = Int(String(decoding: rest[..<end], as: UTF8.self), radix: 16) else { break }
            rest = rest[(end + 2)...]
            if count == 0 { return (body, parts) }
            guard rest.count >= count + 2 else { break }
            body += rest.prefix(count)
            parts += 1
            rest = rest.dropFirst(count + 2)
        }
        throw HarnessError("the last part is missing behind \(body.count) bytes")
    }
}

/// One connection to an admin endpoint.
final class HTTPConnection {
    private var fd: Int32

    init(host: String = "127.0.0.1", port: Int) throws {
        fd = try Sockets.dial(host: host, port: port)
        guard Sockets.wait(fd, for: Int32(POLLOUT), Deadline(seconds: 10)) else {
            throw HarnessError("no connection to \(host):\(port)")
        }
    }

    deinit { close(fd) }

    /// What cannot be sent, because the other end has closed, is lost.
    func send(_ bytes: [UInt8], _ deadline: Deadline = Deadline(seconds: 10)) {
        var rest = bytes[...]
        while !rest.isEmpty, Sockets.wait(fd, for: Int32(POLLOUT), deadline) {
            let count = rest.withUnsafeBytes { Glibc.send(fd, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0, errno == EAGAIN { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    /// Everything up to the end of the connection; a reset is an end as well.
    func receiveAll(seconds: Double = 20) throws -> [UInt8] {
        let deadline = Deadline(seconds: seconds)
        var (bytes, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
        while true {
            guard Sockets.wait(fd, for: Int32(POLLIN), deadline) else {
                throw HarnessError("no end behind \(bytes.count) bytes")
            }
            let count = recv(fd, &buffer, buffer.count, 0)
            if count < 0, errno == EAGAIN || errno == EINTR { continue }
            if count <= 0 { return bytes }
            bytes += buffer[..<count]
        }
    }
}

/// The admin endpoint of a server.
struct AdminClient {
    let port: Int

    /// Finds the address in what the program told when it opened the endpoint.
    init(_ program: Program) throws {
        let line = try program.errorLine(seconds: 20, "the admin endpoint") {
            $0.contains("the admin endpoint is open")
        }
        guard let match = line.firstMatch(of: #/https?://[^/ ]*:([0-9]+)//#), let port = Int(match.1) else {
            throw HarnessError("no address: \(line)")
        }
        self.port = port
    }

    func get(_ path: String, _ fields: [String] = ["Host: localhost"], method: String = "GET") throws -> HTTPAnswer {
        try ask("\(method) \(path) HTTP/1.1\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n")
    }

    /// Sends these bytes and takes the answer.
    func ask(_ text: String) throws -> HTTPAnswer {
        let connection = try HTTPConnection(port: port)
        connection.send(text)
        return try HTTPAnswer(connection.receiveAll())
    }
}
