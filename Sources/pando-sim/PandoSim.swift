import ArgumentParser

@main
struct PandoSim: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "pando-sim")

    func run() throws {}
}
