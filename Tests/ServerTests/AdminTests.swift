// The admin endpoint of real servers, asked by real requests, and by what is none.

import Foundation
import Glibc
import Testing

extension LightTests {
    @Suite(.timeLimit(.minutes(10))) struct AdminTests {
        private static let options: ServerOptions = {
            var options = ServerOptions()
            options.more = ["--admin", "0"]
            return options
        }()

        private func withAdmin(
            _ options: ServerOptions = options, _ body: (ServerProcess, AdminClient) throws -> Void
        ) throws { try withServer(options) { try body($0, AdminClient($0.program)) } }

        // MARK: Health

        @Test func `health tells live, ready and whole apart`() throws {
            try withAdmin { server, admin in
                for path in ["/healthz", "/healthz/live", "/healthz/ready", "/healthz/whole"] {
                    #expect(try admin.get(path).status == 200)
                }
                var options = Self.options
                options.port = try Sockets.freePort()
                options.remotePort = server.port
                let other = try ServerProcess(options)
                try wait(for: "two members", seconds: 20) { try admin.get("/healthz").json["members"]?.integer == 2 }
                #expect(try admin.get("/healthz/whole").status == 200)
                other.kill9()
                try wait(for: "its absence", seconds: 30) { try admin.get("/healthz/whole").status == 503 }
                let health = try admin.get("/healthz")
                #expect(health.status == 200)
                #expect(try health.json["unreachable"]?.integer == 1)
                #expect(try health.json["whole"] == .bool(false))
                let again = try ServerProcess(options)
                try wait(for: "its return", seconds: 30) { try admin.get("/healthz/whole").status == 200 }
                again.kill9()
            }
        }

        @Test func `a server that drains lives and is not ready`() throws {
            var options = Self.options
            options.more += ["--drain-grace-ms", "60000"]
            try withAdmin(options) { server, admin in
                // There is no other server, so it stays.
                let client = try TestClient(port: server.port)
                try client.login()
                server.program.signal(SIGUSR2)
                try wait(for: "the beginning", seconds: 20) { try admin.get("/healthz").status == 503 }
                #expect(try admin.get("/healthz/live").status == 200)
                #expect(try admin.get("/healthz/whole").status == 200)
                let status = try admin.get("/status.json").json
                #expect(status["stage"] == .string("draining") && status["ready"] == .bool(false))
                let own = try #require(Self.list(status["members"]).first)
                #expect(own["draining"] == .bool(true) && own["serving"] == .bool(false))
                #expect(try admin.get("/metrics").text.contains("\npando_ready 0\n"))
            }
        }

        @Test func `a server that joins lives and is not ready`() throws {
            var options = Self.options
            // Somebody who takes the connection and says nothing.
            let mute = try Sockets.listen()
            defer { close(mute.fd) }
            options.remotePort = mute.port
            options.more += ["--join-patience-ms", "600000", "--handshake-ms", "600000"]
            let program = try Program(named: "pando-server", options.arguments)
            defer { program.kill9() }
            let admin = try AdminClient(program)
            #expect(try admin.get("/healthz/live").status == 200)
            #expect(try admin.get("/healthz/ready").status == 503)
            #expect(try admin.get("/healthz").json["ready"] == .bool(false))
            #expect(try admin.get("/status.json").json["stage"]?.string == "joining")
        }

        // MARK: Documents

        @Test func `metrics are those of the documents, and count`() throws {
            try withAdmin { server, admin in
                let client = try TestClient(port: server.port)
                try client.login()
                try client.sayAndHear(#"{"a":1}"#)
                try Self.judge(admin)
                let answer = try admin.get("/metrics")
                #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
                let lines = answer.text.split(separator: "\n").map(String.init)
                #expect(lines.contains("pando_activities_delivered_total 1"))
                #expect(lines.contains("pando_clients{state=\"live\"} 1"))
                #expect(lines.contains("pando_ready 1"))
                for line in lines where !line.hasPrefix("# HELP ") {
                    let isType = line.wholeMatch(of: #/# TYPE [a-z_]+ (counter|gauge)/#) != nil
                    let isValue = line.wholeMatch(of: #/[a-z_]+(\{[a-z]+="[^"]*"\})? -?[0-9.e+-]+/#) != nil
                    #expect(isType || isValue, "\(line)")
                }
                // A value without a label is there once.
                let names = lines.filter { !$0.hasPrefix("#") }.map { $0.prefix { $0 != " " } }
                #expect(Set(names).count == names.count)
                let code = "pando_admin_requests_total{code=\"200\"} "
                let later = try admin.get("/metrics").text
                #expect(later.contains(code) && !later.contains(code + "0\n"))
            }
        }

        /// Prometheus' own judge, where it is installed.
        private static func judge(_ admin: AdminClient) throws {
            guard access("/usr/bin/promtool", X_OK) == 0 else { return }
            let text = try admin.get("/metrics").text
            let judge = try Program(path: "/usr/bin/promtool", ["check", "metrics"])
            try judge.write(text)
            judge.closeInput()
            #expect(try judge.waitForExit(seconds: 20) == .code(0), "\(judge.errorLines)")
        }

        @Test func `the status shows links, trees and whom a queue waits for`() throws {
            try withNetwork(3, .chain, Self.options) { network in
                let admin = try AdminClient(network.servers[0].program)
                let clients = try network.ports.map { try TestClient(port: $0) }
                for client in clients { try client.login() }
                let last = network.servers[2].ready.serverID
                var status = JSON.null
                try wait(for: "all three, with ways", seconds: 20, state: { status.description }) {
                    status = try admin.get("/status.json").json
                    let members = Self.list(status["members"])
                    let others = members.filter { $0["self"] == .bool(false) }
                    return members.count == 3 && others.allSatisfy { $0["parent"] != nil && $0["load"]?.integer == 1 }
                }
                #expect(status["server"]?.string == network.servers[0].ready.serverID)
                #expect(status["ready"] == .bool(true))
                let links = Self.list(status["links"])
                #expect(!links.isEmpty)
                for link in links {
                    #expect(link["phase"]?.string == "open")
                    #expect((link["round_trip_us"]?.integer ?? 0) > 0)
                }
                #expect(Self.list(status["limits"]).contains { $0["name"]?.string == "store_bytes" })
                #expect(status["oldest_unstable"] == nil)
                // One server stands still, and is waited for.
                network.servers[2].stop()
                defer { network.servers[2].continue() }
                try clients[0].sayAndHear(#"{"b":2}"#)
                try wait(for: "its queue", seconds: 20, state: { status.description }) {
                    status = try admin.get("/status.json").json
                    return status["oldest_unstable"]?["waits_for"]?.string == last
                }
                let member = Self.list(status["members"]).first { $0["id"]?.string == last }
                #expect((member?["queue_records"]?.integer ?? 0) > 0)
            }
        }

        private static func list(_ json: JSON?) -> [JSON] { if case .array(let values) = json { values } else { [] } }

        @Test func `connections come in parts, with those that ended and why`() throws {
            try withAdmin { server, admin in
                let clients = try (0..<600).map { _ in try TestClient(port: server.port) }
                for client in clients { try client.login() }
                let leaver = try TestClient(port: server.port)
                try leaver.login()
                try leaver.send(Line.logout)
                try leaver.expectClosed()
                let rude = try TestClient(port: server.port)
                try rude.send("no JSON\n")
                try rude.expect("INVALID_MESSAGE")
                try rude.expectClosed()
                var answer = try admin.get("/connections.json")
                try wait(for: "both ends", state: { answer.text }) {
                    answer = try admin.get("/connections.json")
                    return Self.list(try answer.json["closed"]).count == 2
                }
                #expect(answer.parts >= 3)
                let live = Self.list(try answer.json["connections"]).filter { $0["state"]?.string == "live" }
                #expect(live.count == 600)
                #expect(live.allSatisfy { $0["user"]?.string == "anonymous" && $0["address"]?.string == "127.0.0.1" })
                let reasons = Set(Self.list(try answer.json["closed"]).compactMap { $0["reason"]?.string })
                #expect(reasons == ["logout", "invalidMessage"])
                // The same for a client that knows no parts.
                let old = try admin.ask("GET /connections.json HTTP/1.0\r\n\r\n")
                #expect(old.headers["transfer-encoding"] == nil)
                #expect(Self.list(try old.json["connections"]).filter { $0["state"]?.string == "live" }.count == 600)
            }
        }

        @Test func `the page needs nothing from elsewhere`() throws {
            try withAdmin { _, admin in
                let page = try admin.get("/")
                #expect(page.status == 200)
                #expect(page.headers["content-type"] == "text/html; charset=utf-8")
                #expect(page.headers["content-security-policy"]?.hasPrefix("default-src 'none';") == true)
                let text = page.text.replacingOccurrences(of: "http://www.w3.org/2000/svg", with: "")
                #expect(text.hasPrefix("<!doctype html>"))
                for word in ["http:", "https:", "//cdn", "url(", "src=", "innerHTML"] {
                    #expect(!text.contains(word), "\(word)")
                }
                let head = try admin.get("/", method: "HEAD")
                #expect(head.body.isEmpty)
                #expect(head.headers["content-length"] == String(page.body.count))
                for path in ["/nothing", "/status.json", "/metrics"] {
                    #expect(try admin.get(path, method: "HEAD").body.isEmpty)
                }
            }
        }

        // MARK: What is no request

        @Test(arguments: [
            ("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            ("GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            ("GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            ("POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi", 405),
            ("POST /users HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", 403),
            ("POST /users HTTP/1.1\r\nHost: localhost\r\n\r\n", 403),
            ("POST /users HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n", 413),
            ("GET /users HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            ("DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi", 413),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: local\r\n host\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
            ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}", 400),
            ("{\"command\":\"LOGIN\"}\n", 400),
            ("GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + String(repeating: "x", count: 9000), 431),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + String(repeating: "x", count: 9000) + "\r\n\r\n", 431),
            // Led here by a page of somebody else, whose name has become our address.
            ("GET / HTTP/1.1\r\nHost: evil.example.org\r\n\r\n", 421),
            ("GET /status.json HTTP/1.1\r\nHost: localhost.evil.example.org\r\n\r\n", 421),
            ("GET /healthz HTTP/1.1\r\nHost: evil.example.org\r\n\r\n", 200),
            ("GET / HTTP/1.1\r\nHost: 127.0.0.1:3790\r\n\r\n", 200),
            ("GET /metrics?x=y HTTP/1.1\r\nHost: [::1]:3790\r\n\r\n", 200),
            ("GET /metrics HTTP/1.0\r\n\r\n", 200),
            // What comes behind is no second request.
            ("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        ])
        func `a request gets the answer that it deserves`(request: String, status: Int) throws {
            try withAdmin { _, admin in
                let answer = try admin.ask(request)
                #expect(answer.status == status)
            }
        }

        @Test(arguments: [
            ("GET /users", "POST"), ("DELETE /users", "POST"), ("DELETE /", "GET, HEAD"),
            ("POST /metrics", "GET, HEAD"),
        ])
        func `who asks by a wrong method is told the right one`(line: String, methods: String) throws {
            try withAdmin { _, admin in
                let answer = try admin.ask("\(line) HTTP/1.1\r\nHost: localhost\r\n\r\n")
                #expect(answer.status == 405 && answer.headers["allow"] == methods)
            }
        }

        @Test func `who may not change a user is told what is missing`() throws {
            func ask(_ admin: AdminClient, _ field: String) throws -> HTTPAnswer {
                try admin.ask("POST /users HTTP/1.1\r\nHost: localhost\r\n\(field)Content-Length: 2\r\n\r\n{}")
            }
            try withAdmin { _, admin in
                let without = try ask(admin, "")
                #expect(without.status == 403 && without.text.contains("start the server with"))
            }
            var options = Self.options
            options.more += ["--admin-token", "0123456789abcdef"]
            try withAdmin(options) { _, admin in
                let without = try ask(admin, "")
                #expect(without.status == 401 && !without.text.contains("password"))
                let password = Data("x:0123456789abcdef".utf8).base64EncodedString()
                let looking = try ask(admin, "Authorization: Basic \(password)\r\n")
                #expect(looking.status == 403 && looking.text.contains("only for looking"))
            }
        }

        @Test func `the documents say what to do about each limit`() throws {
            let text = try String(contentsOfFile: sourceRoot + "/docs/operations.md", encoding: .utf8)
            let section = try #require(text.components(separatedBy: "\n### ").first { $0.hasPrefix("PandoLimitNear") })
            let rows = section.components(separatedBy: "\n").filter { $0.hasPrefix("| `") }
            let names = rows.flatMap { row in
                row.components(separatedBy: " | ")[0].matches(of: #/`([a-z_]+)`/#).map { String($0.1) }
            }
            try withAdmin { _, admin in
                let limits = Self.list(try admin.get("/status.json").json["limits"]).compactMap { $0["name"]?.string }
                #expect(names.sorted() == limits.sorted())
            }
        }

        @Test func `nonsense harms nobody`() throws {
            try withAdmin { server, admin in
                var generator = SeededGenerator(seed: 7)
                let request = Array("GET /status.json HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n".utf8)
                for _ in 0..<300 {
                    var bytes = request
                    for _ in 0..<Int.random(in: 1...4, using: &generator) {
                        let index = Int.random(in: 0..<bytes.count, using: &generator)
                        switch Int.random(in: 0..<3, using: &generator) {
                        case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                        case 1: bytes.removeSubrange(index..<min(bytes.count, index + 5))
                        default: bytes.insert(contentsOf: bytes[..<index], at: index)
                        }
                        if bytes.isEmpty { bytes = [0] }
                    }
                    let connection = try HTTPConnection(port: admin.port)
                    connection.send(bytes)
                    // Half a request would wait for its other half.
                    connection.send("\r\n\r\n")
                    let answer = try connection.receiveAll()
                    if !answer.isEmpty { _ = try HTTPAnswer(answer) }
                }
                let client = try TestClient(port: server.port)
                try client.login()
                try client.sayAndHear(#"{"still":"well"}"#)
                #expect(try admin.get("/healthz").status == 200)
            }
        }

        // MARK: Limits

        @Test func `a handful of connections is the most, and they take nobody's place`() throws {
            try withAdmin { server, admin in
                var idle = try (0..<16).map { _ in try HTTPConnection(port: admin.port) }
                // The counter is in the statistics too, which need no connection.
                try wait(for: "16 connections") { try server.statistics().json["connections"]?.integer == 16 }
                let further = try HTTPConnection(port: admin.port)
                // The oldest that says nothing gives way.
                #expect(try idle.removeFirst().receiveAll() == [])
                #expect(try server.statistics().closed("serverFull") == 1)
                further.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try HTTPAnswer(further.receiveAll()).status == 200)
                let client = try TestClient(port: server.port)
                try client.login()
                try client.sayAndHear(#"{"clients":"come"}"#)
                // Whoever is in is served.
                for connection in idle {
                    connection.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                    #expect(try HTTPAnswer(connection.receiveAll()).status == 200)
                }
                idle = []
                try wait(for: "room again") { (try? admin.get("/healthz").status) == 200 }
                let metrics = try admin.get("/metrics").text
                #expect(metrics.contains("pando_admin_connections_refused_total "))
                #expect(!metrics.contains("pando_admin_connections_refused_total 0\n"))
            }
        }

        @Test func `a request has to come within its time`() throws {
            try withAdmin { server, admin in
                let silent = try HTTPConnection(port: admin.port)
                let half = try HTTPConnection(port: admin.port)
                half.send("GET / HTTP/1.1\r\nHost: local")
                #expect(try silent.receiveAll(seconds: 30) == [])
                #expect(try half.receiveAll(seconds: 30) == [])
                #expect(try server.statistics().closed("adminTimedOut") == 2)
            }
        }

        @Test func `a server full of clients can still be looked at`() throws {
            var options = Self.options
            // 16 connections, of which clients get 12.
            options.descriptors = 64 + 16
            try withAdmin(options) { server, admin in
                let clients = try (0..<12).map { _ in try TestClient(port: server.port) }
                for client in clients { try client.login() }
                let limits = Self.list(try admin.get("/status.json").json["limits"])
                let full = limits.first { $0["name"]?.string == "client_connections" }
                #expect(full?["used"]?.integer == 12)
                #expect(full?["limit"]?.integer == 12)
            }
        }

        @Test func `a server ends although somebody looks`() throws {
            let server = try ServerProcess(Self.options)
            let silent = try HTTPConnection(port: AdminClient(server.program).port)
            #expect(try server.terminate() == .code(0))
            #expect(try silent.receiveAll() == [])
        }

        // MARK: Who may look

        private static let token = "a token of many characters"

        private func refused(_ more: [String]) throws -> String {
            var options = ServerOptions()
            options.more = more + ["--check-config"]
            let program = try Program(named: "pando-server", options.arguments)
            defer { program.kill9() }
            #expect(try program.waitForExit(seconds: 20) == .code(64))
            return program.errorLines.joined(separator: "\n")
        }

        @Test func `other hosts need a token, and a long one`() throws {
            #expect(try refused(["--admin", "0.0.0.0:3790"]).contains("admin-token-file"))
            #expect(try refused(["--admin", "0", "--admin-token", "short"]).contains("16 characters or more"))
            #expect(try refused(["--admin", "red.example.org:3790"]).contains("a numeric address and a port"))
            var options = ServerOptions()
            options.more = ["--admin", "0.0.0.0:0", "--admin-token", Self.token]
            try withAdmin(options) { server, admin in
                _ = try server.program.errorLine("a warning") { $0.contains("without TLS its token can be read") }
                let basic = Data("anybody:\(Self.token)".utf8).base64EncodedString()
                let host = "Host: red.example.org:3790"
                for path in ["/", "/metrics", "/status.json", "/connections.json", "/nothing"] {
                    #expect(try admin.get(path, [host]).status == 401)
                    #expect(try admin.get(path, [host, "Authorization: Bearer \(Self.token)x"]).status == 401)
                    #expect(try admin.get(path, [host, "Authorization: Basic ::::"]).status == 401)
                    let right = path == "/nothing" ? 404 : 200
                    #expect(try admin.get(path, [host, "Authorization: Bearer \(Self.token)"]).status == right)
                    #expect(try admin.get(path, [host, "authorization: basic \(basic)"]).status == right)
                }
                let answer = try admin.get("/", [host])
                #expect(answer.headers["www-authenticate"]?.hasPrefix("Basic ") == true)
                #expect(try admin.get("/healthz", [host]).status == 200)
                #expect(!server.program.errorLines.joined().contains(Self.token))
            }
        }

        @Test func `where clients may have TLS, other hosts must`() throws {
            var options = ServerOptions()
            options.more = ["--admin", "0.0.0.0:0", "--admin-token", Self.token, "--client-tls", "allowed"]
            options.more += try TLSFiles.options()
            try withAdmin(options) { _, admin in
                let fields = ["Host: localhost", "Authorization: Bearer \(Self.token)"]
                #expect(try admin.get("/metrics", fields).status == 403)
                #expect(try admin.get("/healthz").status == 200)
                let authority = try #require(try TLSFiles.options().last)
                let client = try Program(
                    path: "/usr/bin/openssl",
                    [
                        "s_client", "-quiet", "-verify_return_error", "-CAfile", authority, "-alpn", "h2,http/1.1",
                        "-connect", "127.0.0.1:\(admin.port)",
                    ])
                defer { client.kill9() }
                try client.write("GET /metrics HTTP/1.1\r\n\(fields.joined(separator: "\r\n"))\r\n\r\n")
                let line = try client.outputLine("the status") { $0.hasPrefix("HTTP/1.1 ") }
                #expect(line.hasPrefix("HTTP/1.1 200 "))
                _ = try client.outputLine("the metrics") { $0.hasPrefix("pando_reactor_tls_handshakes_total 1") }
            }
        }

        @Test func `an address that is taken is told`() throws {
            try withAdmin { _, admin in
                var options = ServerOptions()
                options.more = ["--admin", String(admin.port)]
                let program = try Program(named: "pando-server", options.arguments)
                defer { program.kill9() }
                #expect(try program.waitForExit(seconds: 20) == .code(69))
                #expect(program.errorLines.contains { $0.contains("cannot listen for --admin") })
            }
        }
    }
}
