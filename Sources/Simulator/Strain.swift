/// What a world is hard on: a third of the worlds on nothing in particular. Chance alone would seldom bring
/// together what a rare state needs.
public enum Strain: String, Sendable, CaseIterable {
    case none
    /// Members depart soon, and few of the departed are remembered.
    case forgetting
    /// There is little room for what is kept and sent.
    case cramped
    /// Many want few names, while arbiters come and go.
    case crowded
    /// Processes and readers stand still.
    case halting

    /// Of a thousand worlds; what takes more to meet gets more of them.
    private var permille: UInt64 {
        switch self {
        case .none: 350
        case .forgetting: 250
        case .cramped: 200
        case .crowded, .halting: 100
        }
    }

    static func draw(_ ticket: UInt64) -> Strain {
        var left = ticket
        for strain in allCases {
            if left < strain.permille { return strain }
            left -= strain.permille
        }
        return .none
    }

    /// Faults that come often, whatever else is drawn.
    var faults: [FaultKind] {
        switch self {
        case .none: []
        case .forgetting: [.crash, .crashLoop, .partition, .isolation]
        case .cramped: [.storm, .burst, .large, .partition, .readersBehind]
        case .crowded: [.storm, .churn, .oneWayCut, .crash, .giverCrash]
        case .halting: [.pause, .readersBehind, .slowLink, .slowClient, .joinerCrash]
        }
    }
}
