import Testing

@testable import PowerInferCommandLine
@testable import PowerInferLineEditing

@Suite struct LineEditorTests {
  /// Types the keys and gives what came of it and the terminal.
  private func type(
    _ keys: String..., columns: Int = 40, rows: Int = 10, history: History = History()
  ) -> (input: LineInput, terminal: FakeTerminal) {
    let terminal = FakeTerminal(keys, columns: columns, rows: rows)
    return (LineEditor(terminal: terminal, history: history).readLine(prompt: "> "), terminal)
  }

  private let escape = "\u{1B}"

  @Test func aLineIsShownAndGivenBack() {
    let (input, terminal) = type("Hello", "\r")
    #expect(input == .line("Hello"))
    #expect(terminal.screen == ["> Hello"])
    #expect(terminal.row == 1 && terminal.column == 0)
    #expect(terminal.keysBegan == 1 && terminal.keysEnded == 1)
  }

  @Test(arguments: [
    ("Helo\u{1B}[Dl\r", "Hello"),  // left
    ("ello\u{1}H\r", "Hello"),  // Ctrl-A
    ("ello\u{1B}[HH\r", "Hello"),  // home
    ("ello\u{1B}OHH\u{1B}[F!\r", "Hello!"),  // home and end, application mode
    ("ello\u{1}H\u{5}!\r", "Hello!"),  // Ctrl-E
    ("Hello\u{7F}\u{7F}p\r", "Help"),  // backspace
    ("xHello\u{1B}[H\u{1B}[3~\r", "Hello"),  // delete
    ("one two\u{15}three\r", "three"),  // Ctrl-U
    ("one two\u{1B}[1;5D\u{B}2\r", "one 2"),  // Ctrl-left, Ctrl-K
    ("one two  \u{17}2\r", "one 2"),  // Ctrl-W
    ("one two\u{1B}b\u{1B}b\u{1B}f!\r", "one! two"),  // Alt-B, Alt-F
    ("ab\u{2}\u{2}\u{2}\u{6}-\r", "a-b"),  // Ctrl-B beyond the start, Ctrl-F
    ("a\u{4}b\u{2}\u{4}\r", "a"),  // Ctrl-D deletes forward
    ("a\u{0}\u{1B}[99~\u{1B}[Zb\r", "ab"),  // keys without a meaning
    ("draft\u{3}new\r", "new"),  // Ctrl-C empties a line that is not empty
  ]) func keysEdit(keys: String, line: String) {
    #expect(type(keys).input == .line(line))
    // The same keys byte by byte.
    let terminal = FakeTerminal(bytes: keys.utf8.map { [$0] })
    #expect(LineEditor(terminal: terminal, history: History()).readLine(prompt: "> ") == .line(line))
    #expect(terminal.screen == ["> " + line])
  }

  @Test func charactersOfSeveralBytesAndColumnsAreOneCharacter() {
    let (input, terminal) = type("né日本👍🏽e\u{301}", "\u{7F}\u{7F}", "\u{1B}[D\u{1B}[D", "x", "\r")
    #expect(input == .line("néx日本"))
    #expect(terminal.screen == ["> néx日本"])
  }

  @Test func theCursorCountsWideCharacters() {
    let terminal = FakeTerminal(["日本\u{1B}[D"])
    #expect(LineEditor(terminal: terminal, history: History()).readLine(prompt: "> ") == .end)
    #expect(terminal.row == 0 && terminal.column == 4)
  }

  @Test func bytesThatAreNoTextAreDropped() {
    let terminal = FakeTerminal(bytes: [[0x61, 0xFF, 0xC3, 0x28, 0x80, 0xE2, 0x82, 0x62, 0x0D]])
    #expect(LineEditor(terminal: terminal, history: History()).readLine(prompt: "> ") == .line("a(b"))
  }

  @Test func aLongLineWrapsWhereTheTerminalDoes() {
    // Ten columns: eight characters after the prompt fill the first row exactly.
    let terminal = FakeTerminal(["12345678"], columns: 10)
    let editor = LineEditor(terminal: terminal, history: History())
    #expect(editor.readLine(prompt: "> ") == .end)
    #expect(terminal.screen == ["> 12345678"])
    #expect(terminal.row == 1 && terminal.column == 0)

    let (input, wide) = type("1234567日本", "\u{1B}[H", "0", "\r", columns: 10)
    #expect(input == .line("01234567日本"))
    #expect(wide.screen == ["> 01234567", "日本"])
  }

  @Test func aTextHigherThanTheScreenShowsTheRowsAroundTheCursor() {
    let keys = (1...6).map { "\($0)\\\r" }.joined()
    let terminal = FakeTerminal([keys], columns: 20, rows: 4)
    #expect(LineEditor(terminal: terminal, history: History()).readLine(prompt: "> ") == .end)
    #expect(terminal.screen == ["… 4", "… 5", "… 6", "…"])
  }

  @Test func aBackslashGoesOnInTheNextLine() {
    let (input, terminal) = type("one\\\r", "two\r")
    #expect(input == .line("one\ntwo"))
    #expect(terminal.screen == ["> one", "… two"])
  }

  @Test func aBlockEndsWithItsQuotes() {
    let (input, terminal) = type("\"\"\"\r", "one\r", "\r", "two\"\"\"\r")
    #expect(input == .line("one\n\ntwo"))
    #expect(terminal.screen == ["> \"\"\"", "… one", "…", "… two\"\"\""])
    #expect(type("\"\"\"one\"\"\"\r").input == .line("one"))
    #expect(type("\"\"\"\r").input == .end)
  }

  @Test func aPastedTextStaysWhole() {
    let (input, _) = type("\(escape)[200~one\rtwo\r\n\tthree\u{7}\(escape)[201~", "!\r")
    #expect(input == .line("one\ntwo\n\tthree!"))
    // The marks may come in pieces.
    #expect(type("\(escape)[20", "0~a\r", "b\(escape)[2", "01~\r").input == .line("a\nb"))
  }

  @Test func altEnterBreaksTheLine() {
    #expect(type("a\(escape)\rb\r").input == .line("a\nb"))
  }

  @Test func theCursorMovesBetweenLines() {
    #expect(type("abc\\\r", "x\(escape)[A!\(escape)[B?\r").input == .line("a!bc\nx?"))
  }

  @Test func ctrlCAndCtrlDOnAnEmptyLineLeave() {
    #expect(type("\u{3}").input == .interrupted)
    #expect(type("\u{4}").input == .end)
    #expect(type().input == .end)
  }

  @Test func ctrlLClearsTheScreenAndKeepsTheLine() {
    let terminal = FakeTerminal(["old\r", "new\u{C}", "er\r"])
    let editor = LineEditor(terminal: terminal, history: History())
    _ = editor.readLine(prompt: "> ")
    #expect(editor.readLine(prompt: "> ") == .line("newer"))
    #expect(terminal.screen == ["> newer"])
  }

  @Test func ctrlZSleepsWithTheTerminalAsItWas() {
    let (input, terminal) = type("a\u{1A}", "b\r")
    #expect(input == .line("ab"))
    #expect(terminal.suspensions == 1 && terminal.keysBegan == 2 && terminal.keysEnded == 2)
  }

  @Test func keysTypedAheadAreTheNextLine() {
    let terminal = FakeTerminal(["one\rtwo\r"])
    let editor = LineEditor(terminal: terminal, history: History())
    #expect(editor.readLine(prompt: "> ") == .line("one"))
    #expect(editor.readLine(prompt: "> ") == .line("two"))
    #expect(terminal.screen == ["> one", "> two"])
  }

  @Test func historyGoesUpAndDownAndKeepsTheDraft() {
    let history = History()
    for line in ["one", "two"] { history.add(line) }
    #expect(type("\(escape)[A\r", history: history).input == .line("two"))
    #expect(type("\(escape)[A\(escape)[A\(escape)[A\r", history: history).input == .line("one"))
    #expect(history.entries == ["one", "two", "one"])
    #expect(
      type("dra\(escape)[A\(escape)[A\(escape)[B\(escape)[B\(escape)[Bft\r", history: history).input == .line("draft"))
    #expect(type("\u{10}\u{10}!\u{E}\(escape)[A\r", history: history).input == .line("one"))
  }

  @Test func aLineOfSeveralLinesComesBackWhole() {
    let history = History()
    #expect(type("a\\\rb\r", history: history).input == .line("a\nb"))
    let (input, terminal) = type("\(escape)[A\r", history: history)
    #expect(input == .line("a\nb"))
    #expect(terminal.screen == ["> a", "… b"])
  }
}
