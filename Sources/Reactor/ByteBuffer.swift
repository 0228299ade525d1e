/// Bytes that wait: leftover input or unsent private output. Plain data, so that a connection stays plain data; an idle
/// connection owns no memory here.
internal import Glibc

/// A queue of bytes: appended at the end, consumed at the start, without memory while empty.
///
/// It does not free itself: its owner calls `free` before forgetting it. Invariant: start + count <= capacity.
@safe struct ByteBuffer {
    private var base: UnsafeMutableRawPointer?
    private var start: UInt32 = 0
    private(set) var count: UInt32 = 0
    private var capacity: UInt32 = 0

    init() { unsafe base = nil }

    var isEmpty: Bool { count == 0 }

    /// The bytes that wait. Valid until the next change.
    var bytes: UnsafeRawBufferPointer {
        // The invariant keeps the range inside the allocation.
        guard let base = unsafe base else { return unsafe UnsafeRawBufferPointer(start: nil, count: 0) }
        return unsafe UnsafeRawBufferPointer(start: base + Int(start), count: Int(count))
    }

    mutating func append(_ more: UnsafeRawBufferPointer) {
        guard let source = more.baseAddress, more.count > 0 else { return }
        let added = more.count
        makeRoom(for: added)
        guard let base = unsafe base else { preconditionFailure("no memory after making room") }
        // `makeRoom` made the range part of the allocation.
        unsafe memcpy(base + Int(start) + Int(count), source, added)
        count += UInt32(added)
    }

    /// Drops bytes from the start; gives the memory back when none are left.
    mutating func consume(_ consumed: Int) {
        precondition(consumed >= 0 && consumed <= Int(count))
        start += UInt32(consumed)
        count -= UInt32(consumed)
        if count == 0 { free() }
    }

    mutating func free() {
        // Allocated here, referred to by nobody else.
        unsafe Glibc.free(base)
        unsafe base = nil
        (start, count, capacity) = (0, 0, 0)
    }

    /// Moves the bytes to the front if that suffices, else doubles.
    private mutating func makeRoom(for added: Int) {
        let needed = Int(count) + added
        precondition(needed <= Int(UInt32.max) / 2, "a limit below 2 GiB was to be kept")
        if Int(start) + needed <= Int(capacity) { return }
        if start > 0, let base = unsafe base {
            // Both ranges lie in the allocation; memmove allows overlap.
            unsafe memmove(base, base + Int(start), Int(count))
            start = 0
        }
        if needed <= Int(capacity) { return }
        let size = max(needed, min(Int(capacity) * 2, Int(UInt32.max) / 2), 64)
        // `base` is nil or came from here; the old pointer is not used again.
        guard let grown = unsafe realloc(base, size) else { preconditionFailure("out of memory") }
        unsafe base = grown
        capacity = UInt32(size)
    }
}
