/// The process behind an endpoint of this host. Settings are read again and clients moved elsewhere at a signal, so it
/// is the system that decides who may ask for it: the endpoint shows, and changes nothing.
import Glibc

struct ServerProcess {
    let number: pid_t

    /// The process of a server that was asked, if it is one of this host: anything else may have its number elsewhere.
    init(_ report: Report, _ endpoint: Endpoint) throws(Failure) {
        guard let process = report.process, let number = pid_t(exactly: process), number > 1 else {
            throw Failure(
                what: "\(report.address) does not tell its process",
                advice: "it is older than this program: send the signal by hand")
        }
        let name = (try? SmallFile.read("/proc/\(number)/comm").get())?.prefix { !$0.isNewline }
        guard name == "pando-server" else {
            throw Failure(
                what: "process \(number) of this host is no pando-server",
                advice: "\(endpoint.url) is one of another host or container: run pandoctl there")
        }
        self.number = number
    }

    func send(_ signal: Int32) throws(Failure) {
        guard try waits(for: signal) else {
            throw Failure(what: "this server does not know what is asked", advice: "it is older than this program")
        }
        guard kill(number, signal) == 0 else {
            let advice = errno == EPERM ? "be its user, or root" : "has it just ended?"
            // A terminated string that is copied before any other call; there is one thread.
            let reason = unsafe String(cString: strerror(errno))
            throw Failure(what: "process \(number) cannot be sent a signal: \(reason)", advice: advice)
        }
    }

    /// A signal that the server reads is one that it blocks; any other would end it.
    private func waits(for signal: Int32) throws(Failure) -> Bool {
        let text = try SmallFile.read("/proc/\(number)/status").get()
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("SigBlk:") }),
            let mask = line.split(whereSeparator: { $0 == ":" || $0 == "\t" || $0 == " " }).last
                .flatMap({ UInt64($0, radix: 16) })
        else { return false }
        return mask >> UInt64(signal - 1) & 1 == 1
    }
}
