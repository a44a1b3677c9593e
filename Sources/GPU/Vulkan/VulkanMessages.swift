import CPowerInferVulkan
import Synchronization

/// What the validation layers have said.
final class VulkanMessages: Sendable {
  private let list = Mutex<[String]>([])

  var all: [String] { list.withLock { $0 } }

  private func append(_ text: String) { list.withLock { $0.append(text) } }

  /// Describes a messenger that writes here. Whoever uses it keeps `self` alive as long as the instance.
  func messenger() -> VkDebugUtilsMessengerCreateInfoEXT {
    var info = VkDebugUtilsMessengerCreateInfoEXT()
    info.sType = UInt32(VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT)
    info.messageSeverity = UInt32(
      VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT)
    // Not general messages: with those the loader tells of drivers that do not fit this machine.
    info.messageType = UInt32(VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT)
    info.pfnUserCallback = { _, _, data, user in
      guard let data, let user, let message = data.pointee.pMessage else { return 0 }
      Unmanaged<VulkanMessages>.fromOpaque(user).takeUnretainedValue().append(String(cString: message))
      return 0
    }
    info.pUserData = Unmanaged.passUnretained(self).toOpaque()
    return info
  }
}
