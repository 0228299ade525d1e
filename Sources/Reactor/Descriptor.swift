/// Descriptors with an owner.
internal import CEpollShim

/// A descriptor that is closed when its owner goes.
struct Descriptor: ~Copyable {
    let fd: Int32

    /// Takes over a descriptor, or the failure of the call that was to give one.
    init(_ result: Int32, _ call: String) throws(SystemError) {
        fd = try SystemError.check(result, call)
    }

    deinit {
        // A failed close leaves nothing to do: the descriptor is gone in any case (close(2)).
        _ = ces_close(fd)
    }
}

/// Wakes a reactor from another thread, by an eventfd (eventfd(2)). Kept alive by whoever uses it, so that a helper
/// that outlives the reactor does not write to a descriptor that is something else by then.
public final class Waker: Sendable {
    private let descriptor: Int32

    init() throws(SystemError) {
        descriptor = try SystemError.check(ces_event_open(), "eventfd")
    }

    deinit { _ = ces_close(descriptor) }

    /// Makes the reactor call `woken`. Calls before that are one.
    public func wake() {
        // It fails only if the counter is full, and then the reactor wakes anyway.
        _ = ces_event_add(descriptor, 1)
    }

    var fd: Int32 { descriptor }

    func acknowledge() { _ = ces_event_take(descriptor) }
}
