#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif
import CPowerInferVulkan
import Synchronization

/// The library through which drivers are reached. Loaded when first asked for, and never unloaded: drivers leave threads and
/// handlers behind.
struct VulkanLibrary {
  let getInstanceProcAddr: PFN_vkGetInstanceProcAddr
  /// As it was opened.
  let name: String

  /// Names to try, in order. A system without the usual loader may have MoltenVK alone.
  static var names: [String] {
    #if canImport(Darwin)
      [
        "libvulkan.1.dylib", "/opt/homebrew/lib/libvulkan.1.dylib", "/usr/local/lib/libvulkan.1.dylib",
        "libMoltenVK.dylib", "/opt/homebrew/lib/libMoltenVK.dylib", "/usr/local/lib/libMoltenVK.dylib",
      ]
    #else
      ["libvulkan.so.1"]
    #endif
  }

  init(names: [String] = VulkanLibrary.names) throws(GPUError) {
    for name in names {
      guard let library = dlopen(name, RTLD_NOW | RTLD_LOCAL) else { continue }
      guard let symbol = dlsym(library, "vkGetInstanceProcAddr") else {
        throw .brokenLoader(library: name, missing: "vkGetInstanceProcAddr")
      }
      getInstanceProcAddr = unsafeBitCast(symbol, to: PFN_vkGetInstanceProcAddr.self)
      self.name = name
      return
    }
    throw .noLoader(tried: names)
  }

  /// A function by name, of an instance or (nil) of none.
  ///
  /// - Parameter type: must be the one that Sources/CVulkan declares for this name.
  func find<Function>(_ name: String, of instance: VkInstance?, as type: Function.Type = Function.self) throws(GPUError)
    -> Function
  {
    guard let function = getInstanceProcAddr(instance, name) else {
      throw .brokenLoader(library: self.name, missing: name)
    }
    return unsafeBitCast(function, to: type)
  }
}

/// Held while instances and devices come and go, and while objects are named: the loader (seen in 1.3.239) looks through its
/// lists of those without a lock when an object is named.
func withLoaderLock<Result: Sendable>(_ body: () -> Result) -> Result {
  loaderLock.withLock { _ in body() }
}

private let loaderLock = Mutex(())
