/// State that outlives the process: what the node wants to have written goes to a helper, and its answer back.
internal import Codecs
internal import Logging
internal import Node
internal import Reactor

/// The file, and the thread that writes it.
struct StateKeeper {
    let file: StateFile
    let writer: HelperPool<StateResult>

    /// The node has one batch under way.
    private static let limit = 1

    init(_ file: StateFile, waker: Waker) throws(SystemError) {
        self.file = file
        writer = try HelperPool(threads: 1, limit: Self.limit, waker: waker)
    }
}

/// What came of a batch.
struct StateResult: Sendable {
    /// Nil if it is on the disk.
    let failure: String?
}

extension Shell {
    /// At the start: reads what earlier lives have left in a folder, or says that nothing outlives this one.
    mutating func restoreState(_ folder: String?, waker: Waker) throws(ServerFailure) {
        guard let folder else {
            return log.logger.notice("users are kept in memory only: --state-dir keeps them beyond a restart")
        }
        let file: StateFile
        do throws(StateFile.Refusal) {
            file = try StateFile(folder: folder)
        } catch {
            throw ServerFailure(error.text, exitStatus: error.exitStatus)
        }
        do {
            let count = try file.read { rows throws(FrameFault) in try node.restore(rows) }.get()
            if file.isNew {
                log.logger.notice("began a new state: there was none", metadata: ["file": "\(file.path)"])
            } else {
                log.logger.notice("state restored", metadata: ["file": "\(file.path)", "rows": "\(count)"])
            }
            keeper = try StateKeeper(file, waker: waker)
        } catch let error as StateFile.Refusal {
            throw ServerFailure(error.text, exitStatus: error.exitStatus)
        } catch let error as SystemError {
            throw ServerFailure("\(error)", exitStatus: ExitStatus.system)
        } catch {
            let refusal = StateFile.Refusal.unreadable(file.path, "\(error)")
            throw ServerFailure(refusal.text, exitStatus: refusal.exitStatus)
        }
    }

    /// Hands a batch to the helper.
    mutating func store(_ rows: [StoredRow]) {
        guard let keeper else { preconditionFailure("a node without a disk stores nothing") }
        let file = keeper.file
        let ticket = keeper.writer.submit { StateResult(failure: file.write(rows)) }
        precondition(ticket != nil, "the node has one batch under way at a time")
    }

    mutating func drainState(in reactor: borrowing Reactor) {
        guard let keeper else { return }
        for result in keeper.writer.drain() { node.stored(failure: result.failure, at: instant(of: reactor)) }
    }

    /// What has not been written when the reactor has ended and waiting does no harm. A batch that is under way comes
    /// first: the file takes one at a time.
    mutating func writeLastState() {
        guard let file = keeper?.file else { return }
        let rows = node.takeUnstored()
        guard let failure = file.write(rows, isLast: true) else { return }
        log.logger.error("the state could not be written", metadata: ["error": "\(failure)"])
    }
}
