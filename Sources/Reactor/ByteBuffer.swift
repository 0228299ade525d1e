/// Bytes that wait: leftover input or unsent private output. Plain data, so that a connection stays plain data; an idle
/// connection owns no memory here, and one word.
internal import Glibc

/// A queue of bytes: appended at the end, consumed at the start, without memory while empty.
///
/// It does not free itself: its owner calls `free` before forgetting it. Invariant: start + count <= capacity, and
/// count > 0 where there is memory.
@safe struct ByteBuffer {
    /// What stands in front of the bytes.
    private struct Header {
        var start: UInt32
        var count: UInt32
        var capacity: UInt32
    }

    private var memory: UnsafeMutablePointer<Header>?

    init() { unsafe memory = nil }

    @inline(__always) var isEmpty: Bool { unsafe memory == nil }

    /// How many bytes wait.
    @inline(__always) var count: UInt32 {
        // Memory begins with a header.
        guard let memory = unsafe memory else { return 0 }
        return unsafe memory.pointee.count
    }

    /// Memory that is taken.
    @inline(__always) var memoryBytes: Int {
        // Memory begins with a header.
        guard let memory = unsafe memory else { return 0 }
        return unsafe MemoryLayout<Header>.size + Int(memory.pointee.capacity)
    }

    /// The bytes that wait. Valid until the next change.
    var bytes: UnsafeRawBufferPointer {
        guard let memory = unsafe memory else { return unsafe UnsafeRawBufferPointer(start: nil, count: 0) }
        // The invariant keeps the range inside the allocation.
        let first = unsafe Self.bytes(memory) + Int(memory.pointee.start)
        return unsafe UnsafeRawBufferPointer(start: first, count: Int(memory.pointee.count))
    }

    mutating func append(_ more: UnsafeRawBufferPointer) {
        guard let source = more.baseAddress, more.count > 0 else { return }
        let memory = unsafe makeRoom(for: more.count)
        // `makeRoom` made the range part of the allocation.
        let end = unsafe Int(memory.pointee.start) + Int(memory.pointee.count)
        unsafe memcpy(Self.bytes(memory) + end, source, more.count)
        unsafe memory.pointee.count += UInt32(more.count)
    }

    /// Drops bytes from the start; gives the memory back when none are left.
    mutating func consume(_ consumed: Int) {
        precondition(consumed >= 0 && consumed <= Int(count))
        guard consumed < Int(count), let memory = unsafe memory else { return free() }
        // Within what waits.
        unsafe memory.pointee.start += UInt32(consumed)
        unsafe memory.pointee.count -= UInt32(consumed)
    }

    mutating func free() {
        // Allocated here, referred to by nobody else.
        unsafe Glibc.free(memory)
        unsafe memory = nil
    }

    private static func bytes(_ memory: UnsafeMutablePointer<Header>) -> UnsafeMutableRawPointer {
        // The allocation goes on behind the header.
        unsafe UnsafeMutableRawPointer(memory + 1)
    }

    /// Moves the bytes to the front if that suffices, else doubles.
    private mutating func makeRoom(for added: Int) -> UnsafeMutablePointer<Header> {
        let needed = Int(count) + added
        precondition(needed <= Int(UInt32.max) / 2, "a limit below 2 GiB was to be kept")
        guard let memory = unsafe memory else { return unsafe grow(to: max(needed, Self.bytesMin)) }
        let header = unsafe memory.pointee
        if Int(header.start) + needed <= Int(header.capacity) { return unsafe memory }
        if header.start > 0 {
            let bytes = unsafe Self.bytes(memory)
            // Both ranges lie in the allocation; memmove allows overlap.
            unsafe memmove(bytes, bytes + Int(header.start), Int(header.count))
            unsafe memory.pointee.start = 0
        }
        if needed <= Int(header.capacity) { return unsafe memory }
        return unsafe grow(to: max(needed, min(Int(header.capacity) * 2, Int(UInt32.max) / 2)))
    }

    /// A short line, such as the answer to a login, fits.
    private static let bytesMin = 64 + 32 - MemoryLayout<Header>.size

    private mutating func grow(to capacity: Int) -> UnsafeMutablePointer<Header> {
        let isNew = unsafe memory == nil
        // `memory` is nil or came from here; the old pointer is not used again.
        guard let grown = unsafe realloc(memory, MemoryLayout<Header>.size + capacity) else {
            preconditionFailure("out of memory")
        }
        // malloc aligns for every type; a header stands there, or does from here on.
        let header = unsafe grown.assumingMemoryBound(to: Header.self)
        if isNew { unsafe header.initialize(to: Header(start: 0, count: 0, capacity: 0)) }
        unsafe header.pointee.capacity = UInt32(capacity)
        unsafe memory = header
        return unsafe header
    }
}
