// What other processes take of the machine, as the kernel tells.

import CLoadShim
import Glibc

enum ProcessMeter {
    /// CPU time of all threads, also of those that are gone, in nanoseconds.
    static func cpu(_ process: Int32) -> UInt64 { cls_process_cpu_ns(process) }

    /// How long its main thread was ready to run and had no processor, in nanoseconds.
    static func wait(_ process: Int32) -> UInt64 {
        let words = text("/proc/\(process)/schedstat").split(separator: " ")
        return words.count > 1 ? UInt64(words[1]) ?? 0 : 0
    }

    /// Private anonymous memory that is resident, in bytes: no files, no shared mappings, nothing of the kernel.
    static func anonymousMemory(_ process: Int32) -> Int {
        let lines = text("/proc/\(process)/status").split(separator: "\n")
        guard let line = lines.first(where: { $0.hasPrefix("RssAnon:") }) else { return 0 }
        return (Int(line.split { $0 == " " || $0 == "\t" }.dropFirst().first ?? "") ?? 0) * 1024
    }

    static func exists(_ process: Int32) -> Bool { process > 0 && !text("/proc/\(process)/stat").isEmpty }

    private static func text(_ path: String) -> String {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return "" }
        defer { close(fd) }
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = read(fd, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}

/// Everything that is counted, at one moment.
struct Reading {
    /// CPU seconds of the servers until a later moment; nil if one was gone by then.
    func serverCPUSeconds(to later: Reading) -> Double? {
        guard let start = serverCPU, let end = later.serverCPU, end >= start else { return nil }
        return Double(end - start) / 1e9
    }

    var time: UInt64
    var delivered: Int
    /// Of all watched servers; nil if one is gone.
    var serverCPU: UInt64?
    var serverMemory: Int
    var workerCPU: [UInt64]
    var workerWait: [UInt64]
}
