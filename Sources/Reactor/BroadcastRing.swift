/// Bytes shared by many connections: what everybody is sent lies here once, and each reader is a position in it. The
/// memory is mapped twice in a row, so that any range up to the capacity is contiguous and one send suffices, wrapped
/// or not.
internal import CEpollShim
internal import Glibc

/// A ring of newline-ended lines. Positions count all bytes ever appended; the last `capacity` of them are held.
@safe struct BroadcastRing: ~Copyable {
    private let base: UnsafeMutableRawPointer
    let capacity: Int
    /// The position behind the last byte.
    private(set) var end: UInt64 = 0

    /// Maps a ring; the capacity is rounded up to whole pages.
    init(capacity wanted: Int) throws(SystemError) {
        precondition(wanted > 0)
        let page = ces_page_size()
        let capacity = (wanted + page - 1) / page * page
        var error: Int32 = 0
        // The mapping is ours alone until `deinit`.
        guard let base = unsafe ces_mirror_map(capacity, &error) else {
            throw SystemError(code: -error, call: "mmap of a ring of \(capacity) bytes")
        }
        unsafe self.base = base
        self.capacity = capacity
    }

    deinit {
        // Mapped in `init` with that size.
        unsafe ces_mirror_unmap(base, capacity)
    }

    /// The position of the oldest byte that is still held.
    var start: UInt64 { end > UInt64(capacity) ? end - UInt64(capacity) : 0 }

    /// Appends whole lines, over the oldest bytes if need be.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        let count = bytes.count
        precondition(count <= capacity, "more than the ring holds")
        precondition(unsafe bytes[count - 1] == UInt8(ascii: "\n"), "a line must end")
        // offset < capacity and count <= capacity: inside the double mapping.
        unsafe memcpy(base + offset(of: end), source, count)
        end += UInt64(count)
    }

    /// The held bytes from one position to another. Valid until the next append that reaches them.
    @inline(__always)
    func bytes(_ from: UInt64, _ to: UInt64) -> UnsafeRawBufferPointer {
        precondition(from >= start && from <= to && to <= end)
        // At most `capacity` bytes from an offset below it: inside the double mapping.
        return unsafe UnsafeRawBufferPointer(start: base + offset(of: from), count: Int(to - from))
    }

    /// The position behind the first line end at or after `from`. There is one: lines are appended whole.
    func endOfLine(_ from: UInt64) -> UInt64 {
        let rest = unsafe bytes(from, end)
        // A range of the mapping, not empty by the precondition.
        guard let start = rest.baseAddress, let found = unsafe memchr(start, 0x0A, rest.count) else {
            return end
        }
        return from + UInt64(unsafe UnsafeRawPointer(found) - start) + 1
    }

    /// Whether a line ends just before a position. Precondition: that byte is still held, or the position is 0.
    func isLineStart(_ position: UInt64) -> Bool {
        guard position > 0 else { return true }
        return unsafe bytes(position - 1, position)[0] == UInt8(ascii: "\n")
    }

    private func offset(of position: UInt64) -> Int { Int(position % UInt64(capacity)) }
}
