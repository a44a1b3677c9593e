import Dispatch
public import PowerInferPlatform
import Synchronization

extension MemoryNodes {
  /// Has `body` called once for each of `0..<iterations`, by as many threads as there are processors; on a machine with several
  /// memory nodes by a thread beside the memory that is to hold what `body` writes.
  ///
  /// Linux places a page of memory on the node of the thread that writes to it first. Where the system refuses a
  /// node's threads, the calling one does the work at the end.
  ///
  /// - Parameter position: from 0 to 1, where the result of each iteration lies in the whole that it is a part of.
  public func perform(
    iterations: Int, at position: (Int) -> Double, _ body: @Sendable (Int) -> Void
  ) {
    guard count > 1 else { return DispatchQueue.concurrentPerform(iterations: iterations, execute: body) }
    var lists = [[Int]](repeating: [], count: count)
    for iteration in 0..<iterations { lists[node(at: position(iteration))].append(iteration) }
    let work = NodeWork(lists)
    withoutActuallyEscaping(body) { body in
      var threads: [SystemThread] = []
      for (node, processors) in processors.enumerated() {
        let set = ProcessorSet(processors)
        for _ in 0..<min(processors.count, lists[node].count) {
          let thread = SystemThread {
            _ = set.hold(SystemThread.currentID)
            while let iteration = work.next(node) { body(iteration) }
          }
          if let thread { threads.append(thread) }
        }
      }
      for thread in threads { thread.join() }
      for node in lists.indices { while let iteration = work.next(node) { body(iteration) } }
    }
  }
}

/// Lists of iterations, one per node, from which threads take one after the other.
private final class NodeWork: Sendable {
  private let rest: Mutex<[ArraySlice<Int>]>

  init(_ lists: [[Int]]) { rest = Mutex(lists.map { $0[...] }) }

  func next(_ node: Int) -> Int? { rest.withLock { $0[node].popFirst() } }
}
