/// Sends of many connections, gathered and handed to the kernel in one system call. What they come to is there when the
/// call returns: the loop stays what it is, and readiness stays with epoll.
///
/// Not every kernel has it (io_uring(7)), and where programs are confined it is often forbidden. Then the batch is not
/// open, and its owner sends one by one.
internal import CEpollShim

/// Sends to be done together, and then their results.
@safe struct SendBatch: ~Copyable {
    private struct Entry: BitwiseCopyable {
        var slot: UInt32
        var offered: UInt32
    }

    /// Nil: not open.
    private var handle: OpaquePointer?
    private var entries: Slab<Entry>
    private var results: Slab<Int32>
    private(set) var count = 0
    /// How many bytes are offered in all.
    private(set) var bytes: UInt64 = 0

    /// Longer ones were not measured; from 256 to 1,024 little changed.
    private static let capacityMax = 1024

    /// Opens a batch for so many sends at most; with 0, or where the kernel refuses, it is not open.
    init(capacity wanted: Int) {
        let capacity = min(wanted, Self.capacityMax)
        var error: Int32 = 0
        // Owned by this value alone, until `close`.
        unsafe handle = capacity > 0 ? ces_batch_open(UInt32(capacity), &error) : nil
        entries = Slab(capacity: max(capacity, 1))
        results = Slab(capacity: max(capacity, 1))
    }

    deinit {
        // Nobody else knows it.
        if let handle = unsafe handle { unsafe ces_batch_close(handle) }
    }

    var isOpen: Bool { unsafe handle != nil }
    var isFull: Bool { count == entries.capacity }
    /// The kernel's side of it, if it is open.
    var descriptor: Int32? { unsafe handle.map { unsafe ces_batch_descriptor($0) } }

    /// Adds a send. The bytes must stay as they are until `send`.
    ///
    /// - Precondition: open, not full, and its results have been removed.
    mutating func add(_ slot: Int, _ fd: Int32, _ range: UnsafeRawBufferPointer) {
        guard let handle = unsafe handle, let start = range.baseAddress, !isFull else {
            preconditionFailure("a batch takes no more")
        }
        // Fewer than `capacity`, for which the batch was opened; the caller keeps the bytes.
        unsafe ces_batch_add(handle, fd, start, range.count)
        entries.initialize(count, to: Entry(slot: UInt32(slot), offered: UInt32(range.count)))
        count += 1
        bytes += UInt64(range.count)
    }

    /// Does the sends that were added. A kernel that refuses now is not asked again: what it has not done counts as
    /// blocked, and the batch is open no more.
    mutating func send() {
        guard let batch = unsafe handle else { return }
        // Room for as many results as there are sends.
        guard unsafe ces_batch_send(batch, results.start) != 0 else { return }
        // Opened by `init`, and forgotten here.
        unsafe ces_batch_close(batch)
        unsafe handle = nil
    }

    /// Whose send it was, how many bytes it offered, and what came of it: how many were taken, or a negated errno.
    subscript(index: Int) -> (slot: Int, offered: Int, result: Int) {
        precondition(index < count)
        return (Int(entries[index].slot), Int(entries[index].offered), Int(results[index]))
    }

    mutating func removeAll() {
        count = 0
        bytes = 0
    }
}
