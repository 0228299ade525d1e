import Glibc

/// What is fuzzed: named by `PANDO_FUZZ_TARGET`, one a process.
enum Target: String {
    /// Bytes of a client, as lines and as messages.
    case lines
    /// Bytes of a peer, as a frame.
    case frames
    /// Bytes of a peer that has not proved itself, given to a node.
    case handshake
    /// A program of inputs to a node: links, frames, clients, time.
    case node
    /// A planted bug, to see that bugs are found.
    case canary

    static let chosen: Target = {
        let name = getenv("PANDO_FUZZ_TARGET").map { String(cString: $0) } ?? ""
        guard let target = Target(rawValue: name) else { fatalError("PANDO_FUZZ_TARGET names no target: \(name)") }
        return target
    }()
}

/// One execution. What must not be ends the process; libFuzzer keeps the input.
@_cdecl("LLVMFuzzerTestOneInput")
public func runOne(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    switch Target.chosen {
    case .lines: LinesTarget.run(bytes)
    case .frames: FramesTarget.run(bytes)
    case .handshake: HandshakeTarget.run(bytes)
    case .node: NodeTarget.run(bytes)
    case .canary: CanaryTarget.run(bytes)
    }
    return 0
}

/// Ends the process unless it holds, with words: a trap in optimised code has none.
@inline(__always)
func must(_ holds: Bool, _ text: @autoclosure () -> String) {
    if !holds { fatalError(text()) }
}
