import OrderedCollections
import PowerInferJinja

/// Numbers between bounds.
enum NumberGrammar {
  /// - Throws: `GrammarError`.
  static func expression(
    _ entries: OrderedDictionary<String, Value>, isInteger: Bool, _ path: String
  ) throws(GrammarError) -> GrammarExpression {
    var (low, high): (Double?, Double?) = (nil, nil)
    var (isLowOpen, isHighOpen) = (false, false)
    func bound(_ keyword: String) throws(GrammarError) -> Double? {
      guard let value = entries[keyword] else { return nil }
      guard let number = SchemaGrammar.number(value) else {
        throw .schema(path: path + "/" + keyword, expected: "a number", found: JSONText.text(of: value))
      }
      return number
    }
    (low, high) = (try bound("minimum"), try bound("maximum"))
    if let open = try bound("exclusiveMinimum"), open >= low ?? -.infinity { (low, isLowOpen) = (open, true) }
    if let open = try bound("exclusiveMaximum"), open <= high ?? .infinity { (high, isHighOpen) = (open, true) }
    if low == nil, high == nil { return .rule(isInteger ? JSONGrammar.integer : JSONGrammar.number) }

    // Whole numbers that may stand for themselves. Beyond 2^53 doubles skip some.
    let limit = Double(1 << 53)
    var least = (low ?? -limit).rounded(.up), most = (high ?? limit).rounded(.down)
    if isLowOpen, least == low { least += 1 }
    if isHighOpen, most == high { most -= 1 }
    guard max(abs(least), abs(most)) <= limit || low == nil || high == nil else {
      throw .unsupported(path: path, keyword: "bounds beyond 2^53")
    }
    (least, most) = (max(least, -limit), min(most, limit))
    guard least <= most else { throw .nothingFits(path: path) }
    var options = range(Int(least), Int(most), fraction: nil)
    if !isInteger {
      // With a fraction, a number lies between its whole part and the next away from zero.
      let (down, up) = (Int(max((low ?? -limit).rounded(.up), -limit)), Int(min((high ?? limit).rounded(.down), limit)))
      options += fractions(max(down, 0), up - 1, skips: isLowOpen && Double(down) == low ? down : nil)
      options += fractions(max(-up, 0), -down - 1, skips: isHighOpen && Double(up) == high ? -up : nil).map {
        .sequence([.literal("-"), $0])
      }
    }
    return .choice(options)
  }

  /// The numbers of 0 or more with such whole parts and a fraction; of the one that `skips` names, not the whole part itself.
  private static func fractions(_ first: Int, _ last: Int, skips: Int?) -> [GrammarExpression] {
    guard first <= last else { return [] }
    guard first == skips else { return range(first, last, fraction: JSONGrammar.fraction) }
    let rest = first < last ? range(first + 1, last, fraction: JSONGrammar.fraction) : []
    let digits = GrammarExpression.repeated(JSONGrammar.digit, least: 0, most: 15)
    return range(first, first, fraction: .sequence([.literal("."), digits, .scalar(ScalarSet("123456789"))])) + rest
  }

  /// The whole numbers of a range, each with a fraction behind it if one is given.
  private static func range(_ least: Int, _ most: Int, fraction: GrammarExpression?) -> [GrammarExpression] {
    var options: [GrammarExpression] = []
    func add(_ digits: GrammarExpression, isNegative: Bool) {
      options.append(.sequence((isNegative ? [.literal("-")] : []) + [digits] + (fraction.map { [$0] } ?? [])))
    }
    if least < 0 { naturals(max(1, -most), -least).forEach { add($0, isNegative: true) } }
    if most >= 0 { naturals(max(0, least), most).forEach { add($0, isNegative: false) } }
    return options
  }

  /// The numbers of a range of 0 or more, by how many digits they have.
  private static func naturals(_ least: Int, _ most: Int) -> [GrammarExpression] {
    guard least <= most else { return [] }
    var options: [GrammarExpression] = []
    var begin = least
    while begin <= most {
      let digits = String(begin).count
      let end = min(most, repeatElement(9, count: digits).reduce(0) { $0 * 10 + $1 })
      options.append(sameLength(Array(String(begin)), Array(String(end))))
      begin = end + 1
    }
    return options
  }

  /// Numbers between two of the same number of digits.
  private static func sameLength(_ low: [Character], _ high: [Character]) -> GrammarExpression {
    guard let first = low.first, let last = high.first else { return .empty }
    let (lowRest, highRest) = (Array(low.dropFirst()), Array(high.dropFirst()))
    if first == last { return .sequence([.literal(String(first)), sameLength(lowRest, highRest)]) }
    let count = lowRest.count
    var options: [GrammarExpression] = []
    var (from, to) = (first, last)
    if lowRest.contains(where: { $0 != "0" }) {
      options.append(.sequence([.literal(String(first)), sameLength(lowRest, Array(repeating: "9", count: count))]))
      from = next(first)
    }
    if highRest.contains(where: { $0 != "9" }) {
      options.append(.sequence([.literal(String(last)), sameLength(Array(repeating: "0", count: count), highRest)]))
      to = previous(last)
    }
    if from <= to, let a = from.unicodeScalars.first, let b = to.unicodeScalars.first {
      options.append(
        .sequence([.scalar(ScalarSet([a.value...b.value])), .repeated(JSONGrammar.digit, least: count, most: count)]))
    }
    return .choice(options)
  }

  private static func next(_ digit: Character) -> Character { Character(String((digit.wholeNumberValue ?? 0) + 1)) }
  private static func previous(_ digit: Character) -> Character { Character(String((digit.wholeNumberValue ?? 9) - 1)) }
}
