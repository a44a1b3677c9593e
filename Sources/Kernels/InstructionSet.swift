import CPowerInferKernels
import Foundation

/// A family of processor instructions that the inner loops were written for.
public enum InstructionSet: String, Sendable, CaseIterable {
  /// Plain C.
  case portable
  /// x86-64 with AVX2, FMA and F16C.
  case avx2
  /// The same with the 8-bit dot products of AVX-VNNI.
  case avxvnni
  /// x86-64 with AVX-512 (F, BW, VL, DQ) and VNNI.
  case avx512
  /// The same with AMX's tiles of 8-bit numbers, where the operating system grants them; results are those of ``avx512``.
  case amx
  /// 64-bit Arm; 8-bit dot product and matrix product instructions where the processor has them.
  case neon

  var table: UnsafePointer<pi_kernels>? {
    switch self {
    case .portable: pi_kernels_portable()
    case .avx2: pi_kernels_avx2()
    case .avxvnni: pi_kernels_avxvnni()
    case .avx512: pi_kernels_avx512()
    case .amx: pi_kernels_amx()
    case .neon: pi_kernels_neon()
    }
  }

  /// What this processor and operating system can run, the best last.
  public static let supported: [InstructionSet] = allCases.filter { $0.table != nil }

  /// The best supported set, or the one that the environment variable `POWERINFER_ISA` names. A name that is unknown or
  /// unsupported here is ignored; ``requested(_:)`` tells why.
  public static let active: InstructionSet = {
    let best = supported.last ?? .portable
    guard let name = ProcessInfo.processInfo.environment["POWERINFER_ISA"] else { return best }
    return (try? requested(name)) ?? best
  }()

  /// The set of that name.
  /// - Throws: ``InstructionSetError`` when there is none, or the processor lacks it.
  public static func requested(_ name: String) throws(InstructionSetError) -> InstructionSet {
    guard let set = InstructionSet(rawValue: name) else { throw .unknown(name) }
    guard set.table != nil else { throw .unsupported(set) }
    return set
  }
}

/// Why a requested instruction set cannot be used.
public enum InstructionSetError: Error, Equatable, CustomStringConvertible {
  case unknown(String)
  case unsupported(InstructionSet)

  public var description: String {
    switch self {
    case .unknown(let name):
      let names = InstructionSet.allCases.map(\.rawValue).joined(separator: ", ")
      return "Expected an instruction set out of \(names), found \"\(name)\"."
    case .unsupported(let set):
      let names = InstructionSet.supported.map(\.rawValue).joined(separator: ", ")
      return "This processor lacks the instruction set \(set.rawValue); it has \(names)."
    }
  }
}
