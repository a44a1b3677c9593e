/// Three sequences side by side, as long as the shortest.
func zip3<A: Sequence, B: Sequence, C: Sequence>(
  _ a: A, _ b: B, _ c: C
) -> [(A.Element, B.Element, C.Element)] {
  zip(zip(a, b), c).map { ($0.0, $0.1, $1) }
}
