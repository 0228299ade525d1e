/// One precedence, all mistakes, and what is in force as a file.

import Configuration
import Testing

@Suite struct ResolutionTests {
    private struct Target {
        var port: UInt16 = 80
        var size = 4 << 20
        var name: String?
        var isOn = false
        var secret: String?
    }

    private static let anyText = Kind<String>("some text", read: { $0.isEmpty ? nil : $0 })

    private func groups(_ options: [String: String] = [:]) -> [SettingGroup<Target>] {
        [
            SettingGroup(
                "First",
                [
                    Setting("port", short: "-p", options["port"], \.port, .number(1...1000)),
                    Setting("size-mb", options["size-mb"], \.size, .mebibytes(1...64)),
                    Setting("name", options["name"], \.name, Self.anyText.orNone, otherwise: "found out"),
                ]),
            SettingGroup(
                "Second",
                [
                    Setting("on", options["on"], \.isOn, .truth, isLive: true),
                    Setting("secret", options["secret"], \.secret, Self.anyText.orNone, isSecret: true),
                ]),
        ]
    }

    private func resolve(
        file: String = "", environment: [String: String] = [:], options: [String: String] = [:]
    ) -> Resolution<Target> {
        Resolution(
            Target(), groups(options), file: ConfigurationFile(Array(file.utf8), name: "f"), environment: environment)
    }

    // MARK: Precedence

    @Test func `an option wins over the environment over the file over the default`() {
        let file = "port: 81\n"
        let environment = ["PANDO_PORT": "82"]
        #expect(resolve().target.port == 80)
        #expect(resolve(file: file).target.port == 81)
        #expect(resolve(file: file, environment: environment).target.port == 82)
        let all = resolve(file: file, environment: environment, options: ["port": "83"])
        #expect(all.target.port == 83)
        #expect(all.origin("port") == .option("-p, --port"))
        #expect(resolve(file: file).origin("port") == .file("f", line: 1, column: 7))
        #expect(resolve(environment: environment).origin("port") == .environment("PANDO_PORT"))
        #expect(resolve().origin("port") == .standard)
        #expect(all.mistakes == [])
    }

    // MARK: Mistakes

    @Test func `every mistake is told, at its place and with a remedy`() {
        let resolution = resolve(
            file: "port: x\nsiez-mb: 3\nzzzzzz: 1\non: yes\n", environment: ["PANDO_SIZE_MB": "65", "PANDO_NAME": ""],
            options: ["port": "0"])
        #expect(
            resolution.mistakes.map(\.description) == [
                "f:1:7: port: 'x' is not taken; a number from 1 to 1000.",
                "-p, --port: '0' is not taken; a number from 1 to 1000.",
                "PANDO_SIZE_MB: '65' is not taken; 1 to 64 MiB.",
                "PANDO_NAME: '' is not taken; some text.",
                "f:4:5: on: 'yes' is not taken; true or false.",
                "f:2:1: 'siez-mb' is not known; did you mean 'size-mb'?",
                "f:3:1: 'zzzzzz' is not known; --help names all settings.",
            ])
    }

    @Test func `a variable that is nearly ours is a slip, another is somebody else's`() {
        let resolution = resolve(environment: ["PANDO_PROT": "1", "PANDO_SERVICE_HOST": "1", "PORT": "x"])
        #expect(
            resolution.mistakes.map(\.description) == [
                "PANDO_PROT: 'PANDO_PROT' is not known; did you mean 'PANDO_PORT'?"
            ])
    }

    @Test func `a rule is asked when its settings are in order, and told where the stronger one stands`() {
        let rule = Rule<Target>(["port", "size-mb"], "port is less than size.") {
            Int($0.target.port) < $0.target.size >> 20
        }
        var broken = resolve(file: "port: 7\n", environment: ["PANDO_SIZE_MB": "5"])
        broken.check([rule])
        #expect(broken.mistakes.map(\.description) == ["PANDO_SIZE_MB: port is less than size."])
        var kept = resolve(file: "port: 7\nsize-mb: 8\n")
        kept.check([rule])
        #expect(kept.mistakes == [])
        var flawed = resolve(file: "port: 7\nsize-mb: many\n")
        flawed.check([rule])
        #expect(flawed.mistakes.count == 1)
    }

    @Test func `a secret does not stand in the file and is never told`() {
        let inFile = resolve(file: "secret: hidden\n")
        #expect(inFile.mistakes.count == 1)
        #expect(inFile.mistakes.first?.text.contains("secret-file") == true)
        #expect(inFile.mistakes.allSatisfy { !$0.description.contains("hidden") })
        let given = resolve(environment: ["PANDO_SECRET": "hidden"])
        #expect(given.target.secret == "hidden")
        #expect(!given.text(groups()).contains("hidden"))
        #expect(given.text(groups()).contains("# secret: not shown  # PANDO_SECRET"))
    }

    // MARK: Change

    @Test func `what can change is taken, what cannot is named`() {
        let change = resolve(file: "on: true\nport: 7\n", environment: ["PANDO_SECRET": "new"])
            .change(from: Target(), groups())
        #expect(change.changed == ["on"])
        #expect(change.waiting == ["port", "secret"])
        #expect(change.target.isOn)
        #expect(change.target.port == 80)
        #expect(change.target.secret == nil)
        let none = resolve().change(from: Target(), groups())
        #expect(none.changed + none.waiting == [])
    }

    // MARK: What is in force

    @Test func `what is in force is a file that says the same`() {
        let name = "it's \"odd\": #1"
        let first = resolve(file: "on: true\n", environment: ["PANDO_SIZE_MB": "5"], options: ["name": name])
        let text = first.text(groups())
        #expect(text.contains("port: 80  # default\n"))
        #expect(text.contains("on: true  # f:1:5\n"))
        let second = resolve(file: text)
        #expect(second.mistakes == [])
        #expect(second.target.name == name)
        #expect(second.target.size == 5 << 20)
        #expect(second.target.isOn)
        #expect(resolve().text(groups()).contains("# name: found out  # default\n"))
    }
}
