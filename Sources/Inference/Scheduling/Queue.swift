/// First in, first out; both in constant time.
struct Queue<Element> {
  private var slots: [Element?] = []
  private var head = 0

  mutating func append(_ element: Element) { slots.append(element) }

  mutating func popFirst() -> Element? {
    guard head < slots.count else { return nil }
    defer { compact() }
    let first = slots[head]
    slots[head] = nil
    head += 1
    return first
  }

  private mutating func compact() {
    guard head > 32, head * 2 > slots.count else { return }
    slots.removeFirst(head)
    head = 0
  }
}
