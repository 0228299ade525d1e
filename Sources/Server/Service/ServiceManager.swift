/// What starts and watches this process, if it wants to hear of it: systemd, or whoever speaks its protocol
/// (sd_notify(3)). That is one datagram with a few lines of text for each thing to tell, so no library is needed.
///
/// Nothing here waits: a datagram that finds no room is kept and sent later, in order.
internal import Glibc
internal import Reactor

struct ServiceManager {
    /// Half of the time within which it wants to hear that the loop turns; nil if it does not.
    let watchdogMilliseconds: Int?
    private let fd: Int32
    /// As sockaddr_un(7) has it; a name that begins with a zero byte is an abstract one.
    private let name: [UInt8]
    private var waiting: [String] = []
    /// The last attempt has not failed.
    var isHeard = true

    /// How soon a datagram that found no room is sent again: by then the manager has read some.
    static let retryMilliseconds = 100
    /// Datagrams that wait. Of a manager that reads nothing for as many it is not asked any more what it missed.
    static let waitingMax = 16

    /// Nil if nobody wants to hear anything. What cannot be used is told.
    static func ofProcess() throws(SystemError) -> ServiceManager? {
        guard let path = variable("NOTIFY_SOCKET"), !path.isEmpty else { return nil }
        return try ServiceManager(
            path: path, watchdog: variable("WATCHDOG_USEC"), watched: variable("WATCHDOG_PID"))
    }

    /// - Parameter watchdog: within how many microseconds it wants to hear of the loop.
    /// - Parameter watched: the process that this is asked of.
    init(path: String, watchdog: String?, watched: String?) throws(SystemError) {
        var name = Array(path.utf8)
        // One byte is left for the end of the path.
        guard let first = name.first, first == UInt8(ascii: "/") || first == UInt8(ascii: "@"),
            name.count < Self.nameBytesMax
        else { throw SystemError(code: EINVAL, call: "NOTIFY_SOCKET \(path)") }
        if first == UInt8(ascii: "@") { name[0] = 0 }
        fd = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw SystemError(code: errno, call: "socket AF_UNIX") }
        self.name = name
        let isMeant = watched.map { $0 == String(getpid()) } ?? true
        watchdogMilliseconds = isMeant ? watchdog.flatMap(UInt64.init).map { Int(clamping: max(1, $0 / 2000)) } : nil
    }

    private static let nameBytesMax = MemoryLayout.size(ofValue: sockaddr_un().sun_path)

    /// What became of what was to be told.
    enum Outcome {
        case sent
        /// Some of it is kept for a while.
        case full
        /// Nobody is there, say. What was to be told is dropped.
        case failed(SystemError)
    }

    mutating func add(_ text: String) {
        if waiting.count == Self.waitingMax { waiting.removeFirst() }
        waiting.append(text)
    }

    mutating func send() -> Outcome {
        while let text = waiting.first {
            let code = send(text)
            if code == EAGAIN || code == ENOBUFS { return .full }
            guard code == 0 else {
                waiting = []
                return .failed(SystemError(code: code, call: "sendto NOTIFY_SOCKET"))
            }
            waiting.removeFirst()
        }
        return .sent
    }

    /// Returns 0 or an errno. The address is given each time: a manager that was replaced has a new socket there.
    private func send(_ text: String) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let head = MemoryLayout<sockaddr_un>.size - Self.nameBytesMax
        // The name fits into the rest of the address, which was checked when it came.
        unsafe withUnsafeMutableBytes(of: &address) { unsafe $0[head...].copyBytes(from: name) }
        let isAbstract = name.first == 0
        let size = socklen_t(head + name.count + (isAbstract ? 0 : 1))
        while true {
            // The address and the text live through the call, with their own sizes.
            let count = unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                    unsafe Array(text.utf8).withUnsafeBytes { bytes in
                        unsafe sendto(
                            fd, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL),
                            pointer, size)
                    }
                }
            }
            if count >= 0 { return 0 }
            if errno != EINTR { return errno }
        }
    }

    private static func variable(_ name: String) -> String? {
        // A C string of the environment, which nobody changes, copied at once.
        guard let text = unsafe getenv(name) else { return nil }
        return unsafe String(cString: text)
    }
}
