import Foundation

/// The GPUs of this machine.
///
/// Nothing is linked or loaded before one of these functions is called.
public enum GPU {
  /// Every device the installed drivers offer, software devices and those that cannot be used included. Starts nothing on
  /// them.
  ///
  /// - Throws: ``GPUError/noLoader(tried:)``, ``GPUError/noDevice``.
  public static func descriptions() throws(GPUError) -> [GPUDescription] {
    try VulkanDevice.descriptions()
  }

  /// Opens a device.
  ///
  /// - Parameters:
  ///   - index: its ``GPUDescription/index``.
  ///   - options: limits of memory and time.
  /// - Throws: ``GPUError/noSuchDevice(index:count:)``, ``GPUError/unsuited(device:reason:)``, and what the driver says.
  public static func open(_ index: Int, options: GPUOptions = GPUOptions()) throws(GPUError) -> any GPUDevice {
    var options = options
    // For whoever looks for a mistake in a driver or here, without building anything.
    if ProcessInfo.processInfo.environment["POWERINFER_GPU_VALIDATION"] == "1" { options.validates = true }
    return try VulkanDevice(index, options: options)
  }
}
