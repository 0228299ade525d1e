// The program against real servers, and against one that makes mistakes.

import Foundation
import Testing

@testable import Load

@Suite(.serialized, .timeLimit(.minutes(10))) struct LoadRunTests {
    /// Short, and as JSON.
    private static let brief = [
        "--json", "--quiet", "--duration", "0.5", "--warmup", "0.2", "--settle", "0.2", "--drain", "5",
    ]

    private func run(_ port: Int, _ options: [String]) throws -> Run {
        try Run(["--servers", "127.0.0.1:\(port)"] + Self.brief + options)
    }

    private func expectGood(_ run: Run, readers: Int) {
        #expect(run.status == 0, "\(run.text)")
        #expect(run["sent"] > 0)
        #expect(run["delivered"] == run["sent"] * Double(readers), "\(run.text)")
        #expect(run["expected"] == run["delivered"])
        for fault in ["lost", "doubled", "out_of_order", "malformed", "cut_off"] { #expect(run[fault] == 0) }
        // Only a rate plans activities within the window for sure: a flood may lie in the sockets all the while.
        guard run.text.contains(#""mode":"rate"#) else { return }
        #expect(run["p50"] > 0 && run["p50"] <= run["p99"] && run["p99"] <= run["max"], "\(run.text)")
    }

    @Test(arguments: [
        ["--window", "1"], ["--window", "16", "--senders", "5", "--size", "1024"], ["--rate", "200", "--senders", "7"],
        ["--flood", "--senders", "2"], ["--burst", "16", "--senders", "3"], ["--rate", "50", "--register"],
        ["--rate", "50", "--ramp", "200"],
        ["--rate", "50", "--workers", "3"], ["--rate", "20", "--size", "100000"],
    ])
    func `a good server is found good`(_ options: [String]) async throws {
        try await onThread {
            try withServer { port, process in
                let run = try self.run(port, ["--clients", "30", "--pid", "\(process)"] + options)
                self.expectGood(run, readers: 30)
                #expect(run["clients"] == 30)
                for measure in ["server_cpu_us_per_login", "connects_per_second", "logins_per_second"] {
                    #expect(run[measure] > 0, "\(measure): \(run.text)")
                }
                // A busy machine may let the short window pass without anything.
                for measure in ["server_cpu_seconds", "load_cpu_seconds", "deliveries_per_second"] {
                    #expect(run[measure] >= 0, "\(measure): \(run.text)")
                }
                // Both are rounded to six digits: of few deliveries each has much of the first's rounding.
                let count = run["window_delivered"]
                let time = run["server_cpu_us_per_delivery"] * count
                let rounding = 1 + count / 1e6
                if count > 0 { #expect(abs(time - run["server_cpu_seconds"] * 1e6) < rounding, "\(run.text)") }
            }
        }
    }

    /// With shares of lines in every record, and more in a batch than a socket takes.
    @Test(arguments: [
        ["--window", "16", "--senders", "3"], ["--flood", "--senders", "2", "--size", "3000"],
        ["--rate", "50", "--churn", "20"],
    ])
    func `clients under TLS are checked as well`(_ options: [String]) async throws {
        try await onThread {
            let folder = try Certificates.make()
            defer { Certificates.remove(folder) }
            let server = [
                "--tls-cert", "\(folder)/red.pem", "--tls-key", "\(folder)/red.key", "--client-tls", "required",
            ]
            try withServer(server) { port, _ in
                let run = try self.run(
                    port, ["--clients", "20", "--tls-ca", "\(folder)/ca.pem", "--tls-name", "red"] + options)
                #expect(run.text.contains(#""tls":true"#))
                if options.contains("--churn") {
                    #expect(run.status == 0 && run["churned"] > 0, "\(run.text)")
                } else {
                    self.expectGood(run, readers: 20)
                }
                let stranger = try self.run(port, ["--clients", "2", "--tls-ca", "\(folder)/ca.pem"])
                #expect(stranger.status == 69 && stranger.text.contains("mismatch"), "\(stranger.text)")
            }
        }
    }

    @Test func `a rate is kept to the activity`() async throws {
        try await onThread {
            try withServer { port, _ in
                let run = try self.run(port, ["--clients", "10", "--senders", "3", "--rate", "100", "--workers", "2"])
                self.expectGood(run, readers: 10)
                #expect(run["sent"] == 70)
                // From the window's start to the first activity, and between any two, is some time.
                #expect(run["longest_silence_us"] > 0, "\(run.text)")
            }
        }
    }

    @Test func `redirections are followed`() async throws {
        try await onThread {
            let secret = "load-\(UInt32.random(in: 0 ... .max))"
            try withServer(["-s", secret, "-a", "100"]) { port, _ in
                try withServer(["-s", secret, "-a", "100", "-rh", "127.0.0.1", "-rp", "\(port)"]) { _, _ in
                    let run = try self.run(
                        port, ["--clients", "40", "--ramp", "100", "--rate", "50", "--senders", "4"])
                    self.expectGood(run, readers: 40)
                    #expect(run["redirected"] > 0)
                }
            }
        }
    }

    @Test func `who comes and goes is owed what comes meanwhile`() async throws {
        try await onThread {
            try withServer { port, _ in
                let run = try self.run(
                    port, ["--clients", "30", "--senders", "3", "--rate", "300", "--churn", "100", "--drain", "1"])
                #expect(run.status == 0, "\(run.text)")
                #expect(run["churned"] > 0)
                #expect(run["lost"] == 0)
                #expect(run["delivered"] <= run["sent"] * 30)
                #expect(run["delivered"] > run["sent"])
            }
        }
    }

    @Test func `who does not read is not checked and harms nobody`() async throws {
        try await onThread {
            try withServer { port, _ in
                self.expectGood(try self.run(port, ["--clients", "30", "--slow", "10", "--rate", "100"]), readers: 20)
            }
        }
    }

    @Test func `idle clients are measured without a sender`() async throws {
        try await onThread {
            try withServer { port, process in
                let run = try self.run(port, ["--clients", "200", "--senders", "0", "--pid", "\(process)"])
                #expect(run.status == 0, "\(run.text)")
                #expect(run["server_memory_idle_bytes_per_client"] >= 0)
                #expect(run["server_idle_cpu_share"] >= 0)
                #expect(run["sent"] == 0)
            }
        }
    }

    // MARK: A server that makes mistakes

    @Test(arguments: Mischief.allCases) func `a mistake is found`(_ mischief: Mischief) async throws {
        try await onThread {
            let server = try FakeServer(mischief)
            defer { server.end() }
            let run = try self.run(
                server.port,
                ["--clients", "10", "--senders", "2", "--rate", "40", "--drain", "0.5", "--workers", "1"])
            let found = ["lost", "doubled", "out_of_order", "malformed", "cut_off"].map {
                Int(run[$0].isNaN ? -1 : run[$0])
            }
            switch mischief {
            case .none, .move: self.expectGood(run, readers: 10)
            case .moveBadly: #expect(found[0] >= 1 && Array(found[1...]) == [0, 0, 0, 0], "\(run.text)")
            // 28 activities in all, the fifth is the first that goes wrong.
            case .lose: #expect(found == [1, 0, 0, 0, 0], "\(run.text)")
            case .garble: #expect(found == [1, 0, 0, 0, 0], "\(run.text)")
            case .loseLast: #expect(found == [24, 0, 0, 0, 0], "\(run.text)")
            case .loseAndDouble: #expect(found == [1, 1, 0, 0, 0], "\(run.text)")
            case .double: #expect(found == [0, 1, 0, 0, 0], "\(run.text)")
            // Two senders take turns: only one of their own would be out of order.
            case .swap: #expect(found == [0, 0, 0, 0, 0], "\(run.text)")
            case .cutOff:
                #expect(found == [24, 0, 0, 0, 1], "\(run.text)")
                #expect(run["lost_after_cut_off"] == 24)
            case .refuse: #expect(run.text.contains("was refused") && run.text.contains("LOGIN_FAILED"), "\(run.text)")
            }
            let expected: Int32 = [.none, .swap, .move].contains(mischief) ? 0 : mischief == .refuse ? 69 : 1
            #expect(run.status == expected, "\(run.text)")
        }
    }

    @Test func `a sender that is moved goes on where it was`() async throws {
        try await onThread {
            let server = try FakeServer(.move, victim: 1)
            defer { server.end() }
            let run = try self.run(server.port, ["--clients", "4", "--rate", "100", "--workers", "1"])
            self.expectGood(run, readers: 4)
            #expect(run["sent"] == 70)
            #expect(run["redirected"] == 1)
        }
    }

    @Test func `one sender's activities in the wrong order are found`() async throws {
        try await onThread {
            let server = try FakeServer(.swap)
            defer { server.end() }
            let run = try Run(
                ["--servers", "127.0.0.1:\(server.port)", "--clients", "4", "--rate", "40", "--quiet"]
                    + ["--duration", "0.5", "--warmup", "0", "--drain", "0.5"])
            #expect(run.status == 1)
            #expect(run.text.contains("lost 0, doubled 0, out of order 1, malformed 0, cut off 0"), "\(run.text)")
            #expect(run.text.contains("sender 0: lost 0, doubled 0, out of order 1"), "\(run.text)")
        }
    }

    // MARK: The command line

    @Test func `nobody there is told`() async throws {
        try await onThread {
            let run = try Run(["--servers", "127.0.0.1:1", "--clients", "3", "--quiet"])
            #expect(run.status == 69)
            #expect(run.text.contains("127.0.0.1:1: Connection refused"), "\(run.text)")
        }
    }

    @Test(arguments: [
        (["--servers", "nonsense"], "nonsense"), (["--servers", "h:1", "--size", "64"], "--size is 121 to"),
        (["--servers", "h:1", "--rate", "5", "--flood"], "one of them"), (["--clients", "5"], "--servers"),
        (["--servers", "127.0.0.1:1", "--pid", "99999999"], "no process 99999999"),
    ])
    func `mistaken use is told`(_ arguments: [String], _ word: String) async throws {
        try await onThread {
            let run = try Run(arguments)
            #expect(run.status == 64, "\(run.text)")
            #expect(run.text.contains(word), "\(run.text)")
        }
    }

    @Test func `help names every option`() async throws {
        try await onThread {
            let run = try Run(["--help"])
            #expect(run.status == 0)
            for option in [
                "--servers", "--clients", "--senders", "--rate", "--window", "--burst", "--flood", "--size",
                "--duration",
                "--ramp", "--register", "--anonymous", "--churn", "--slow", "--json", "--pid", "--protocol", "--warmup",
                "--settle", "--drain", "--workers", "--at-once",
            ] { #expect(run.text.contains(option), "\(option)") }
        }
    }
}
