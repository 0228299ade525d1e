import ArgumentParser

@main
struct PandoClient: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "pando-client")

    func run() throws {}
}
