/// What the members of a run share though nothing guards it: a raw pointer, or an object whose parts they divide among
/// themselves.
///
/// The compiler sees neither who writes through a pointer nor where the barriers are, so whoever wraps a value promises that
///
/// - between two barriers no place behind it is written by one member while another reads or writes it, and
/// - it outlives the run.
///
/// A comment where it is wrapped says why the promise holds, unless the lines beside it show that. It costs nothing: a value
/// inside is captured as it would be by itself.
public struct Unguarded<Value>: @unchecked Sendable {
  // Unchecked: this is the one place where the promise above stands in for the compiler.

  public let value: Value

  @inlinable
  public init(_ value: Value) { self.value = value }
}
