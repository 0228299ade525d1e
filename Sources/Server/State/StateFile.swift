/// The file in which state outlives the process: rows of SQLite, written by a helper thread, one transaction at a time.
/// It knows nothing of what they say.
internal import CSQLiteShim
internal import Glibc
internal import Node
internal import Reactor
internal import Synchronization

/// Opened before the server serves, then written by one thread at a time.
final class StateFile: Sendable {
    /// The connection of SQLite, which the mutex guards.
    @safe private struct Connection: @unchecked Sendable {
        let file: OpaquePointer
        /// The last rows are written: what comes late is older.
        var isOver = false
    }

    let path: String
    /// There was none: no server has lived with this folder.
    let isNew: Bool
    private let connection: Mutex<Connection>

    /// Why a file cannot be used, with what to do about it.
    struct Refusal: Error {
        let text: String
        var exitStatus = ExitStatus.system

        static func unreadable(_ path: String, _ reason: String) -> Refusal {
            Refusal(
                text: "\(path) is damaged or no state of a server (\(reason)): move it away with its -wal file and put "
                    + "a backup in its place, or none: other servers of the network bring its users back",
                exitStatus: ExitStatus.data)
        }
    }

    static let name = "pando-state.sqlite"
    /// Rows that are read at a time.
    private static let rowsInPart = 4096

    /// Opens the file in a folder; makes both if they are missing. Reads and checks the whole file.
    init(folder: String) throws(Refusal) {
        path = folder + "/" + Self.name
        isNew = try Self.make(folder, path)
        var file: OpaquePointer?
        // The path is passed as a C string that lives through the call, with a local for the result.
        let result = unsafe csq_open(path, &file)
        guard let file = unsafe file else {
            throw Refusal(text: "the state cannot be opened: out of memory")
        }
        guard result == CSQ_OK else {
            // A terminated text of the file, copied before it is closed.
            let reason = unsafe String(cString: csq_message(file))
            unsafe csq_close(file)
            throw Self.refusal(result, path, reason)
        }
        connection = unsafe Mutex(Connection(file: file))
    }

    /// Secrets are hashed in it, but names are nobody else's business either.
    private static func make(_ folder: String, _ path: String) throws(Refusal) -> Bool {
        // Strings are passed as C strings that live through each call.
        if unsafe mkdir(folder, 0o700) != 0, errno != EEXIST {
            throw Refusal(text: "--state-dir \(SystemError(code: errno, call: folder)): make the folder first")
        }
        let isNew = unsafe access(path, F_OK) != 0
        let fd = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard fd >= 0 else {
            let error = SystemError(code: errno, call: path)
            throw Refusal(
                text: "--state-dir \(error): give the folder to the user of this server, or start without it")
        }
        close(fd)
        return isNew
    }

    private static func refusal(_ result: csq_result, _ path: String, _ reason: String) -> Refusal {
        switch result {
        case CSQ_BUSY:
            Refusal(text: "\(path) is in use (\(reason)): each server needs a --state-dir of its own")
        case CSQ_CORRUPT: .unreadable(path, reason)
        case CSQ_NEWER:
            Refusal(
                text: "\(path): \(reason) of pando-server: use that one, or another --state-dir",
                exitStatus: ExitStatus.data)
        default:
            Refusal(text: "\(path) cannot be used: \(reason); mend that, or start without --state-dir")
        }
    }

    deinit {
        // Nobody else has it any more.
        connection.withLock { unsafe csq_close($0.file) }
    }

    // MARK: Reading

    /// All rows, part by part. To be called once.
    func read<Failure: Error>(_ body: ([StoredRow]) throws(Failure) -> Void) throws(Failure) -> Result<Int, Refusal> {
        var (count, isAtEnd) = (0, false)
        while !isAtEnd {
            switch nextPart() {
            case .failure(let refusal): return .failure(refusal)
            case .success(let rows):
                try body(rows)
                count += rows.count
                isAtEnd = rows.count < Self.rowsInPart
            }
        }
        return .success(count)
    }

    private func nextPart() -> Result<[StoredRow], Refusal> {
        connection.withLock { connection in
            let file = unsafe connection.file
            var rows: [StoredRow] = []
            while rows.count < Self.rowsInPart {
                var (row, hasRow) = unsafe (csq_row(), Int32(0))
                // Locals of the right types.
                let result = unsafe csq_next(file, &row, &hasRow)
                guard result == CSQ_OK else {
                    return .failure(Self.refusal(result, path, unsafe String(cString: csq_message(file))))
                }
                guard hasRow != 0 else { break }
                // Valid until the next call, and copied here.
                let key = unsafe Array(UnsafeBufferPointer(start: row.key, count: row.key_size))
                let value = unsafe Array(UnsafeBufferPointer(start: row.value, count: row.value_size))
                rows.append(StoredRow(kind: UInt8(truncatingIfNeeded: unsafe row.kind), key: key, value: value))
            }
            return .success(rows)
        }
    }

    // MARK: Writing

    /// Writes rows so that they outlive a loss of power: all or none. Blocks; returns why it failed.
    ///
    /// - Parameter isLast: nothing is written after them, not even what waits with a helper already.
    func write(_ rows: [StoredRow], isLast: Bool = false) -> String? {
        connection.withLock { connection in
            guard !connection.isOver else { return "the server has ended" }
            connection.isOver = isLast
            let file = unsafe connection.file
            guard unsafe csq_begin(file) == CSQ_OK, rows.allSatisfy({ unsafe Self.put($0, file) }),
                unsafe csq_commit(file) == CSQ_OK
            else {
                // A terminated text of the file, copied before the next call.
                let reason = unsafe String(cString: csq_message(file))
                unsafe csq_roll_back(file)
                return reason
            }
            return nil
        }
    }

    private static func put(_ row: StoredRow, _ file: OpaquePointer) -> Bool {
        // Both arrays live through the call, which keeps nothing of them.
        unsafe row.key.withUnsafeBufferPointer { key in
            guard let value = row.value else {
                return unsafe csq_remove(file, Int32(row.kind), key.baseAddress, key.count) == CSQ_OK
            }
            return unsafe value.withUnsafeBufferPointer { value in
                unsafe csq_put(
                    file, Int32(row.kind), key.baseAddress, key.count, value.baseAddress, value.count) == CSQ_OK
            }
        }
    }
}
