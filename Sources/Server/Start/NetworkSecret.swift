internal import Reactor

/// Draws secrets for new networks.
enum NetworkSecret {
    /// 130 random bits as 26 digits of base 32 (0-9, a-v), the form that the course's servers have always printed.
    static func draw() -> String {
        let digits = Array("0123456789abcdefghijklmnopqrstuv".utf8)
        return String(decoding: SystemRandom.bytes(26).map { digits[Int($0 & 31)] }, as: UTF8.self)
    }
}
