/// Memory of a fixed number of elements that never moves. An array would do, but for two things: its storage is counted
/// and checked for uniqueness at each change, and its untouched part would be resident from the start.

/// A fixed table, changed in place. Indices are checked in every build.
///
/// Elements are initialised when they are first used: `initialize` must have been called for an index before it is
/// accessed. The owner keeps that rule; elements must be trivial, since nothing deinitialises them.
@safe struct Slab<Element: BitwiseCopyable>: ~Copyable {
    private let base: UnsafeMutablePointer<Element>
    let capacity: Int

    init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
        // Owned by this value alone, freed in `deinit`.
        unsafe base = UnsafeMutablePointer.allocate(capacity: capacity)
    }

    deinit {
        // Allocated in `init`; trivial elements need no deinitialisation.
        unsafe base.deallocate()
    }

    mutating func initialize(_ index: Int, to element: Element) {
        precondition(index >= 0 && index < capacity)
        // Within the allocation.
        unsafe (base + index).initialize(to: element)
    }

    subscript(index: Int) -> Element {
        @inline(__always) unsafeAddress {
            precondition(index >= 0 && index < capacity)
            // Within the allocation.
            return unsafe UnsafePointer(base + index)
        }
        @inline(__always) unsafeMutableAddress {
            precondition(index >= 0 && index < capacity)
            // Within the allocation.
            return unsafe base + index
        }
    }

    /// The memory itself, for the calls that fill it. Valid while the slab lives.
    var start: UnsafeMutablePointer<Element> {
        // The caller keeps to `capacity` and to the slab's life.
        unsafe base
    }
}
