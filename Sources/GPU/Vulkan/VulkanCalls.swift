import CPowerInferVulkan
import Synchronization

/// Every call to the driver that can fail goes through here: it turns codes into errors, and remembers that a device is gone.
final class VulkanCalls: Sendable {
  /// Stands between the room and the driver, for tests: gets a call's name before it is made. A code means that the call is
  /// not made and has returned that.
  typealias Intercept = @Sendable (String) -> VkResult?

  /// For messages.
  let device: String
  private let intercept: Intercept?
  // Why nothing can be done any more.
  private let failure = Mutex<GPUError?>(nil)
  // Objects of the driver that are alive, by kind.
  private let living = Mutex<[String: Int]>([:])

  init(device: String, intercept: Intercept? = nil) {
    self.device = device
    self.intercept = intercept
  }

  /// Makes a call that returns a code.
  ///
  /// - Parameters:
  ///   - name: of the function.
  ///   - allowed: codes other than success that are no errors.
  ///   - body: calls it.
  @discardableResult
  func check(_ name: String, allowed: Int..., body: () -> VkResult) throws(GPUError) -> VkResult {
    let code = intercept?(name) ?? body()
    if Int(code) == VK_SUCCESS || allowed.contains(Int(code)) { return code }
    if Int(code) == VK_ERROR_DEVICE_LOST {
      let error = GPUError.deviceLost(device: device, call: name)
      fail(error)
      throw error
    }
    throw .call(name, code: code, name: VulkanCalls.name(of: code))
  }

  /// Makes an object.
  func create(_ name: String, _ body: (UnsafeMutablePointer<OpaquePointer?>) -> VkResult) throws(GPUError)
    -> OpaquePointer
  {
    var handle: OpaquePointer?
    try check(name) { body(&handle) }
    guard let handle else { throw .call(name, code: 0, name: "no object") }
    created(name)
    return handle
  }

  /// Notes that there is an object.
  func created(_ creator: String) { count(creator, 1) }

  /// Notes that an object is gone.
  func destroyed(_ creator: String) { count(creator, -1) }

  /// Objects of the driver that are alive, by the function that made them.
  var objects: [String: Int] { living.withLock { $0.filter { $0.value != 0 } } }

  /// Throws once the device cannot be used any more.
  func checkUsable() throws(GPUError) {
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// The device cannot be used any more. The first reason stays.
  func fail(_ error: GPUError) { failure.withLock { if $0 == nil { $0 = error } } }

  var hasFailed: Bool { failure.withLock { $0 != nil } }

  private func count(_ kind: String, _ change: Int) { living.withLock { $0[kind, default: 0] += change } }

  /// A code's name in the specification.
  static func name(of code: VkResult) -> String {
    switch Int(code) {
    case VK_SUCCESS: "VK_SUCCESS"
    case VK_NOT_READY: "VK_NOT_READY"
    case VK_TIMEOUT: "VK_TIMEOUT"
    case VK_INCOMPLETE: "VK_INCOMPLETE"
    case VK_ERROR_OUT_OF_HOST_MEMORY: "VK_ERROR_OUT_OF_HOST_MEMORY"
    case VK_ERROR_OUT_OF_DEVICE_MEMORY: "VK_ERROR_OUT_OF_DEVICE_MEMORY"
    case VK_ERROR_INITIALIZATION_FAILED: "VK_ERROR_INITIALIZATION_FAILED"
    case VK_ERROR_DEVICE_LOST: "VK_ERROR_DEVICE_LOST"
    case VK_ERROR_MEMORY_MAP_FAILED: "VK_ERROR_MEMORY_MAP_FAILED"
    case VK_ERROR_LAYER_NOT_PRESENT: "VK_ERROR_LAYER_NOT_PRESENT"
    case VK_ERROR_EXTENSION_NOT_PRESENT: "VK_ERROR_EXTENSION_NOT_PRESENT"
    case VK_ERROR_FEATURE_NOT_PRESENT: "VK_ERROR_FEATURE_NOT_PRESENT"
    case VK_ERROR_INCOMPATIBLE_DRIVER: "VK_ERROR_INCOMPATIBLE_DRIVER"
    case VK_ERROR_TOO_MANY_OBJECTS: "VK_ERROR_TOO_MANY_OBJECTS"
    case VK_ERROR_FRAGMENTED_POOL: "VK_ERROR_FRAGMENTED_POOL"
    case VK_ERROR_UNKNOWN: "VK_ERROR_UNKNOWN"
    case VK_ERROR_OUT_OF_POOL_MEMORY: "VK_ERROR_OUT_OF_POOL_MEMORY"
    case VK_ERROR_FRAGMENTATION: "VK_ERROR_FRAGMENTATION"
    case VK_ERROR_INVALID_SHADER_NV: "VK_ERROR_INVALID_SHADER_NV"
    default: "an unknown code"
    }
  }
}
