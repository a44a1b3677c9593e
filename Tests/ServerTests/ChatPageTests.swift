import Foundation
import PowerInferServer
import Testing

/// The chat page as it is served; what it does in a browser is looked at by Scripts/test_page.py.
@Suite(.timeLimit(.minutes(5))) struct ChatPageTests {
  private static let browser = ["Accept": "text/html,application/xhtml+xml,*/*;q=0.8"]
  private static let policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

  /// Every file of the page, found by following what refers to what from the page on.
  private func files(of server: TestServer) async throws -> [String: Reply] {
    var found = ["/": try await server.get("/", Self.browser)]
    var waiting = ["/"]
    while let path = waiting.popLast(), let reply = found[path] {
      let references =
        reply.text.matches(of: /(?:src|href)="(\/page\/[^"]*)"/).map { String($0.output.1) }
        + reply.text.matches(of: /from "\.\/([^"]*)"/).map { "/page/" + $0.output.1 }
      for reference in references where found[reference] == nil {
        found[reference] = try await server.get(reference)
        waiting.append(reference)
      }
    }
    return found
  }

  @Test func allFilesAreThereAndGuarded() async throws {
    let server = try await Shared.server()
    let files = try await files(of: server)
    #expect(files.count > 10)
    let types = [
      "": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8",
      "svg": "image/svg+xml",
    ]
    for (path, reply) in files {
      #expect(reply.status == 200, "\(path)")
      #expect(reply.headers["content-type"] == types[URL(filePath: path).pathExtension], "\(path)")
      #expect(reply.headers["content-security-policy"] == Self.policy, "\(path)")
      #expect(reply.headers["x-content-type-options"] == "nosniff" && reply.headers["cache-control"] == "no-cache")
      #expect(reply.headers["referrer-policy"] == "no-referrer")
    }
  }

  @Test func nothingInItLeadsElsewhereOrIsReadAsMarkup() async throws {
    for (path, reply) in try await files(of: Shared.server()) {
      // The name of a namespace is not an address.
      let text = reply.text.replacing("http://www.w3.org/2000/svg", with: "")
      #expect(!text.contains("http://") && !text.contains("https://"), "\(path)")
      if path.hasSuffix(".js") {
        for word in [
          "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser",
        ] {
          #expect(!text.contains(word), "\(path) has \(word)")
        }
      } else if path == "/" {
        #expect(text.matches(of: /<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=/).isEmpty)
      }
    }
  }

  @Test func aCopyThatIsStillGoodIsNotSentAgain() async throws {
    let server = try await Shared.server()
    for path in ["/", "/page/main.js"] {
      let whole = try await server.get(path, Self.browser)
      let tag = try #require(whole.headers["etag"])
      for value in [tag, "W/\(tag)", "\"other\", \(tag)", "*"] {
        let headers = Self.browser.merging(["If-None-Match": value]) { $1 }
        let again = try await server.exchange(TestServer.request("GET", path, headers, body: nil), hasBody: false)
        #expect(again.status == 304 && again.headers["etag"] == tag && again.body.isEmpty, "\(path), \(value)")
      }
      let changed = try await server.get(path, Self.browser.merging(["If-None-Match": "\"other\""]) { $1 })
      #expect(changed.status == 200 && changed.body == whole.body)
      let head = try await server.get(path, Self.browser, method: "HEAD")
      #expect(head.status == 200 && head.headers["content-length"] == String(whole.body.count))
      #expect(head.headers["etag"] == tag && head.headers["content-security-policy"] == Self.policy)
    }
  }

  @Test func otherClientsReadWhatIsWhere() async throws {
    let server = try await Shared.server()
    for headers in [[:], ["Accept": "*/*"], ["Accept": "application/json"]] {
      let reply = try await server.get("/", headers)
      #expect(reply.status == 200 && reply.headers["content-type"] == "text/plain; charset=utf-8")
      #expect(reply.headers["vary"] == "Accept" && reply.text.contains("/v1/chat/completions"))
      #expect(reply.text.contains("  tiny\n"))
    }
    let both = try await server.get("/", ["Origin": "http://localhost"])
    #expect(both.headers["vary"] == "Accept, Origin")
  }

  @Test func thePageNeedsNoKeyAndTheAPIDoes() async throws {
    let server = try await TestServer(options: { $0.apiKeys = ["secret"] })
    #expect(try await server.get("/", Self.browser).status == 200)
    #expect(try await server.get("/page/main.js").status == 200)
    #expect(try await server.get("/v1/models").status == 401)
    #expect(try await server.get("/page/main.js/").status != 500)
  }

  @Test func whatIsNotThereIsNotFound() async throws {
    let server = try await Shared.server()
    for path in ["/page/", "/page/none.js", "/page/..%2fmain.js", "/page/%00", "/page/a/b"] {
      #expect(try await server.get(path).status == 404, "\(path)")
    }
    #expect(try await server.post("/page/main.js", "{}").status == 405)
    #expect(try await server.get("/", ["Host": "evil.example", "Accept": "text/html"]).status == 403)
  }
}
