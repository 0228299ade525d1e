import Glibc
import Testing

@testable import pando_client

/// What poll(2) says of a standard output whose reader has gone, by its kind.
@Suite struct ReaderTests {
    private func reported(_ descriptor: Int32) -> Int16 {
        var entry = pollfd(fd: descriptor, events: 0, revents: 0)
        poll(&entry, 1, 0)
        return entry.revents
    }

    @Test func aReaderThatGoesIsNoticedOnAPipeAndOnASocketPair() throws {
        var pipeEnds: [Int32] = [0, 0]
        var socketEnds: [Int32] = [0, 0]
        try #require(pipe(&pipeEnds) == 0)
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &socketEnds) == 0)
        for (reader, writer) in [(pipeEnds[0], pipeEnds[1]), (socketEnds[0], socketEnds[1])] {
            #expect(!ClientLoop.isReaderGone(reported(writer)))
            close(reader)
            #expect(ClientLoop.isReaderGone(reported(writer)))
            close(writer)
        }
    }
}
