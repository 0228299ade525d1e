// Who is who, and what is refused.

import Testing

@testable import Load

@Suite struct PlanTests {
    private func plan(_ clients: Int, _ senders: Int, slow: Int = 0, workers: Int) -> LoadPlan {
        var plan = LoadPlan()
        plan.servers = [ServerPlace(host: "127.0.0.1", port: 1), ServerPlace(host: "127.0.0.1", port: 2)]
        plan.clients = clients
        plan.senders = senders
        plan.slow = slow
        plan.askedWorkers = workers
        plan.finish()
        return plan
    }

    /// A worker finds a sender of its own by the sender's number alone.
    @Test(arguments: [(10, 1, 0, 1), (10, 10, 0, 3), (100, 33, 10, 7), (7, 5, 1, 2), (1000, 999, 1, 4)])
    func `each sender is in one worker, and is found there`(clients: Int, senders: Int, slow: Int, workers: Int) {
        let plan = plan(clients, senders, slow: slow, workers: workers)
        var seen: [Int] = []
        for worker in 0..<workers {
            let own = (0..<clients).filter { plan.worker(of: $0) == worker }
            let numbers = own.compactMap { plan.sender(of: $0) }
            for (index, number) in numbers.enumerated() {
                #expect((number - numbers[0]) / workers == index)
            }
            #expect(!own.contains { plan.isSlow($0) && plan.sender(of: $0) != nil })
            seen += numbers
        }
        #expect(seen.sorted() == Array(0..<senders))
        #expect((0..<clients).count { plan.isSlow($0) } == slow)
    }

    @Test func `further processes where descriptors end`() {
        #expect(plan(100, 1, workers: 2).workers == 2)
        #expect(plan(1, 1, workers: 2).workers == 1)
        #expect(plan(110_000, 1, workers: 2).workers == 6)
        #expect(plan(110_000, 1, workers: 2).spreadsSources)
        #expect(!plan(20_000, 1, workers: 2).spreadsSources)
    }

    @Test func `what cannot be is refused`() {
        func refusal(_ change: (inout LoadPlan) -> Void) -> String? {
            var plan = plan(10, 1, workers: 1)
            change(&plan)
            plan.finish()
            do { try plan.validate() } catch { return error.description }
            return nil
        }
        #expect(refusal { _ in } == nil)
        #expect(refusal { $0.senders = 11 }?.contains("--senders") == true)
        #expect(refusal { $0.slow = 10 }?.contains("--slow") == true)
        #expect(refusal { $0.size = 100 } == "--size is 121 to 1048576 for pando.")
        #expect(refusal { $0.pace = .burst(0) }?.contains("--burst") == true)
        // Each receiver's place in each sender's stream is kept, or the plan is refused.
        #expect(
            refusal {
                $0.clients = 19_000
                $0.senders = 19_000
            } == nil)
        #expect(
            refusal {
                $0.clients = 110_000
                $0.senders = 10_000
            }?.contains("too many to check") == true)
        #expect(refusal { $0.pace = .rate(0) }?.contains("--rate") == true)
        #expect(refusal { $0.pace = .window(0) }?.contains("--window") == true)
        #expect(
            refusal {
                $0.wire = .redis
                $0.registers = true
            }?.contains("--register") == true)
        #expect(
            refusal {
                $0.wire = .irc
                $0.size = 1024
            }?.contains("512") == true)
    }

    @Test func `a worker's lines are understood`() {
        let faults = StreamChecks.Faults(lost: -1, doubled: 2, outOfOrder: 3)
        for line in [
            WorkerLine.done, .latency(microseconds: 17, count: 4), .faults(sender: 9, faults),
            .silence(microseconds: 5),
            .cutOff(lost: 6),
            .failure(LoadFailure(.unavailable, "127.0.0.1:1: Connection refused")),
        ] {
            #expect(WorkerLine(line.text.dropLast())?.text == line.text)
        }
    }
}
