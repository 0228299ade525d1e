// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target is built with the same rules: no warning passes, unsafe code is marked where it stands.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Tests and the tools of tests use Foundation and C at will: the memory-safety markers would only be noise there.
let testSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

let collections = "swift-collections"

let package = Package(
    name: "pando",
    products: [
        .executable(name: "pando-server", targets: ["pando-server"]),
        .executable(name: "pando-client", targets: ["pando-client"]),
        .executable(name: "pandoctl", targets: ["pandoctl"]),
        .executable(name: "pando-sim", targets: ["pando-sim"]),
        .executable(name: "pando-chaos", targets: ["pando-chaos"]),
        .executable(name: "pando-load", targets: ["pando-load"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // What Swift cannot call itself: macros, variadic functions, transparent unions. No policy.
        .target(
            name: "CEpollShim",
            path: "CEpollShim",
            cSettings: [.enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error)],
            linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]
        ),
        // Conversations under TLS, without sockets.
        .target(name: "TLS", dependencies: ["CEpollShim"], swiftSettings: settings),
        // Sockets, bytes, deadlines: knows nothing of activities.
        .target(
            name: "Reactor",
            dependencies: ["CEpollShim", "TLS"],
            swiftSettings: settings
        ),
        // Bytes in, values out; values in, bytes out. Pure.
        .target(name: "Codecs", swiftSettings: settings),
        // The protocol core, sans I/O. Pure.
        .target(
            name: "Node",
            dependencies: [
                "Codecs",
                .product(name: "HeapModule", package: collections),
                .product(name: "DequeModule", package: collections),
            ],
            swiftSettings: settings
        ),
        // Several nodes under a virtual clock and a seeded network.
        .target(
            name: "Simulator",
            dependencies: ["Node", "Codecs", .product(name: "HeapModule", package: collections)],
            // A sixth of a run went into checks that no two accesses to a variable of a class overlap. The tests, which
            // are built for debugging, make them.
            swiftSettings: settings + [
                .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
            ]
        ),
        // The head of an HTTP request, by http-parser. No policy.
        .target(
            name: "CHTTPShim",
            path: "Sources/CHTTPShim",
            cSettings: [.enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error)],
            linkerSettings: [.linkedLibrary("http_parser")]
        ),
        // Rows in a file that outlives the process, by SQLite. No policy.
        .target(
            name: "CSQLiteShim",
            path: "Sources/CSQLiteShim",
            cSettings: [.enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error)],
            linkerSettings: [.linkedLibrary("sqlite3")]
        ),
        // The shell: maps reactor events to inputs of the node and its outputs to calls.
        .target(
            name: "Server",
            dependencies: [
                "CEpollShim", "CHTTPShim", "CSQLiteShim", "TLS", "Reactor", "Node", "Codecs",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        // The events of a YAML text in a form that Swift can read. No policy.
        .target(
            name: "CYamlShim",
            path: "Sources/CYamlShim",
            cSettings: [.enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error)],
            linkerSettings: [.linkedLibrary("yaml")]
        ),
        // Options, environment and file: one table, one precedence. Knows no setting by name.
        .target(name: "Configuration", dependencies: ["CYamlShim"], swiftSettings: settings),
        .executableTarget(
            name: "pando-server",
            dependencies: [
                "Configuration", "Server", "Node", "Codecs",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "pando-client",
            dependencies: ["Codecs", "TLS", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: settings
        ),
        // A look at a network from outside, by the admin endpoint of a server.
        .executableTarget(
            name: "pandoctl",
            dependencies: ["Codecs", "TLS", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "pando-sim",
            dependencies: [
                "Simulator", "Node",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: settings
        ),
        // Network namespaces and TUN devices: variadic calls, and calls that the Glibc module lacks. Never in a server.
        .target(
            name: "CNamespaceShim",
            path: "Sources/CNamespaceShim",
            cSettings: [.enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error)]
        ),
        // Real servers under real faults, judged by the simulator's checkers.
        .target(
            name: "Chaos",
            dependencies: ["CEpollShim", "CNamespaceShim", "Codecs", "Simulator"],
            swiftSettings: testSettings
        ),
        .executableTarget(
            name: "pando-chaos",
            dependencies: ["Chaos", "Simulator", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: testSettings
        ),
        // What the load generator needs of the system beyond the reactor. Never in a server.
        .target(
            name: "CLoadShim",
            path: "Sources/CLoadShim",
            cSettings: [.enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error)]
        ),
        // Load on servers, measured and checked.
        .target(
            name: "Load",
            dependencies: [
                "CEpollShim", "CLoadShim", "Codecs", "TLS", .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: testSettings
        ),
        .executableTarget(
            name: "pando-load",
            dependencies: ["Load", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: testSettings
        ),
        .testTarget(name: "ReactorTests", dependencies: ["Reactor", "TLS", "CEpollShim"], swiftSettings: testSettings),
        .testTarget(name: "CodecsTests", dependencies: ["Codecs"], swiftSettings: testSettings),
        .testTarget(
            name: "LoadTests",
            dependencies: ["Load", "pando-load", "pando-server"],
            swiftSettings: testSettings
        ),
        .testTarget(name: "ConfigurationTests", dependencies: ["Configuration"], swiftSettings: testSettings),
        .testTarget(name: "ClientTests", dependencies: ["pando-client"], swiftSettings: testSettings),
        .testTarget(name: "ControlTests", dependencies: ["pandoctl", "Codecs"], swiftSettings: testSettings),
        .testTarget(name: "NodeTests", dependencies: ["Node", "Codecs"], swiftSettings: testSettings),
        .testTarget(name: "SimulatorTests", dependencies: ["Simulator", "pando-sim"], swiftSettings: testSettings),
        // The shell's parts that need no socket: log lines, tables, documents.
        .testTarget(
            name: "ShellTests",
            dependencies: ["Server", "Reactor", .product(name: "Logging", package: "swift-log")],
            swiftSettings: testSettings
        ),
        // The real programs as real processes.
        .testTarget(
            name: "ServerTests",
            dependencies: ["Chaos", "Codecs", "Simulator", "TLS", "pando-server", "pando-client", "pandoctl"],
            resources: [.copy("Transcripts")],
            swiftSettings: testSettings
        ),
        // Properties of the code itself: imports, limits, forbidden calls.
        .testTarget(name: "TidyTests", swiftSettings: testSettings),
    ],
    swiftLanguageModes: [.v6]
)

// Its main function is that of libFuzzer, which only `scripts/fuzz` links.
if Context.environment["PANDO_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "pando-fuzz",
            dependencies: ["Codecs", "Node"],
            path: "Tests/Fuzz",
            exclude: ["corpus", "README.md"],
            swiftSettings: testSettings))
}
