/// What the command line says of a setting, as text: whoever reads the table of settings reads the text, wherever it
/// comes from.
import ArgumentParser
import Configuration
import Server

struct Given: ExpressibleByArgument {
    /// Nil if the option was not given.
    let text: String?
    /// For the help.
    let defaultValueDescription: String

    init(argument: String) {
        text = argument
        defaultValueDescription = argument
    }

    /// - Parameter standard: what holds if nobody says anything.
    init(standard: some Any) {
        text = nil
        defaultValueDescription = "\(standard)"
    }
}

typealias ServerSetting = Setting<ServerConfiguration>
typealias ServerSettings = SettingGroup<ServerConfiguration>
typealias ServerRule = Rule<ServerConfiguration>
