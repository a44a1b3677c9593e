/// Character classes as Python's `str` methods see them.
extension Unicode.Scalar {
  /// What `str.isspace`, `str.strip` and the pattern `\s` take for space.
  var isPythonSpace: Bool {
    switch value {
    case 0x20, 0x09...0x0D, 0x1C...0x1F, 0x85, 0xA0: true
    case 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
    default: false
    }
  }

  /// What `str.splitlines` takes for the end of a line.
  var isPythonLineEnd: Bool {
    switch value {
    case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }

  var isASCIIDigit: Bool { value >= 0x30 && value <= 0x39 }

  var isPythonLetter: Bool {
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  var isPythonNumeric: Bool { properties.numericType != nil }
  var isPythonDigit: Bool { properties.numericType == .digit || properties.numericType == .decimal }
  var isPythonDecimal: Bool { properties.generalCategory == .decimalNumber }

  /// What the pattern `\w` takes for part of a word.
  var isWordPart: Bool { self == "_" || isPythonLetter || isPythonNumeric }

  var isPythonUpper: Bool { properties.isUppercase }
  var isPythonLower: Bool { properties.isLowercase }
  var isPythonTitle: Bool { properties.generalCategory == .titlecaseLetter }
  var isCased: Bool { isPythonUpper || isPythonLower || isPythonTitle }

  /// What `repr` shows as it is.
  var isPythonPrintable: Bool {
    switch properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    case .spaceSeparator: self == " "
    default: true
    }
  }
}
