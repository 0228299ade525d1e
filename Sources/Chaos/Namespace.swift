// Network namespaces without names: nothing of them is left when this process has ended, however it ends.

import CEpollShim
import CNamespaceShim

/// What the tool itself could not do.
public struct ChaosError: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }

    static func of(_ call: String, _ code: Int32) -> ChaosError {
        var text = [CChar](repeating: 0, count: 128)
        return ChaosError("\(call): \(String(cString: ces_error_text(-code, &text, text.count)))")
    }

    /// Returns the result of a call of the shims, or throws.
    static func check(_ call: String, _ result: Int32) throws -> Int32 {
        guard result >= 0 else { throw of(call, result) }
        return result
    }
}

/// A network namespace of its own with one TUN device, whose other end is `tunnel`: whoever reads that sees each
/// packet that leaves the namespace, and only what is written to it comes in.
final class Namespace {
    let tunnel: Int32
    private let own: Int32
    private let outside: Int32

    /// - Parameter address: IPv4, host order, in a network of 24 bits.
    init(address: UInt32) throws {
        let outside = try ChaosError.check("open the network namespace", cns_current())
        var opened = [outside]
        do {
            _ = try ChaosError.check("make a network namespace", cns_enter_new())
            defer { Self.enter(outside) }
            opened.append(try ChaosError.check("open the new network namespace", cns_current()))
            _ = try ChaosError.check("switch on the loopback device", cns_raise_loopback())
            // Longer than any burst of a test: a packet is lost because the switch loses it, not because it was busy.
            opened.append(try ChaosError.check("make a TUN device", cns_open_tunnel("pando0", address, 24, 20_000)))
        } catch {
            for fd in opened { ces_close(fd) }
            throw error
        }
        (self.outside, own, tunnel) = (outside, opened[1], opened[2])
    }

    deinit {
        for fd in [tunnel, own, outside] { ces_close(fd) }
    }

    /// Runs `body` with the calling thread in the namespace: sockets and processes that it makes belong there.
    func inside<Result>(_ body: () throws -> Result) rethrows -> Result {
        Self.enter(own)
        defer { Self.enter(outside) }
        return try body()
    }

    /// A thread that cannot come back would do all else in the wrong network.
    private static func enter(_ space: Int32) {
        let result = cns_enter(space)
        precondition(result == 0, "a namespace that is open can be entered")
    }

    /// Why namespaces cannot be made here; nil if they can.
    static let obstacle: String? = {
        do {
            _ = try Namespace(address: 0x0A4D_0001)
            return nil
        } catch { return "\(error)" }
    }()
}
