import ArgumentParser

@main
struct PandoServer: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "pando-server")

    func run() throws {}
}
