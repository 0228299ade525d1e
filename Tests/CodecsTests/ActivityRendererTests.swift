import Testing

@testable import Codecs

/// The line that every client receives, compared as a whole.
@Suite struct ActivityRendererTests {
    /// What the activity `text` becomes when `username` sends it; nil if the message is refused or has no activity.
    private func broadcast(_ text: String, username: String = "alice") -> String? {
        let line = Array(#"{"command":"ACTIVITY_MESSAGE","username":"alice","activity":\#(text)}"#.utf8)
        guard case .activity(_, _, .object(let activity)) = try? ClientMessage.parse(line.span) else { return nil }
        let name = Array(username.utf8)
        var output: [UInt8] = []
        ActivityRenderer.render(activity, of: line.span, username: name.span, into: &output)
        #expect(output.count == ActivityRenderer.size(of: activity, username: name))
        #expect(JSONOracle.isValid(output.dropLast()))
        return String(decoding: output, as: UTF8.self)
    }

    private func expected(_ contents: String, username: String = "alice") -> String {
        #"{"command":"ACTIVITY_BROADCAST","activity":{\#(contents)"authenticated_user":"\#(username)"}}"# + "\n"
    }

    @Test(arguments: [
        ("{}", ""),
        ("{ \t }", ""),
        (#"{"a":1}"#, #""a":1,"#),
        (#"{ "a" : 1 }"#, #" "a" : 1,"#),
        (#"{"a":1.50e+3,"a":-0,"b":[1 , 2],"c":null}"#, #""a":1.50e+3,"a":-0,"b":[1 , 2],"c":null,"#),
        (#"{"o":{"authenticated_user":"mallory"}}"#, #""o":{"authenticated_user":"mallory"},"#),
        (#"{"o":[{"authenticated_user":"mallory"}]}"#, #""o":[{"authenticated_user":"mallory"}],"#),
        (#"{"Authenticated_user":1,"authenticated_user ":2}"#, #""Authenticated_user":1,"authenticated_user ":2,"#),
        (#"{"t":"\u00e9\/é \"authenticated_user\":1"}"#, #""t":"\u00e9\/é \"authenticated_user\":1","#),
    ])
    func contentsPassAsWritten(activity: String, contents: String) {
        #expect(broadcast(activity) == expected(contents))
    }

    @Test(arguments: [
        (#"{"authenticated_user":"m"}"#, ""),
        (#"{ "authenticated_user" : "m" }"#, " "),
        (#"{"authenticated_user":"m","authenticated_user":"n"}"#, ""),
        (#"{"authenticated_user":{"a":[1,{}]}}"#, ""),
        (#"{"authenticated_user":"m","a":1}"#, #""a":1,"#),
        (#"{"authenticated_user":"m" , "a":1}"#, #""a":1,"#),
        (#"{"a":1,"authenticated_user":"m"}"#, #""a":1,"#),
        (#"{"a":1 , "authenticated_user":"m" }"#, #""a":1 , "#),
        (#"{"a":1,"authenticated_user":"m","b":2}"#, #""a":1,"b":2,"#),
        (#"{"a":1,"authenticated_user":"m","authenticated_user":"n","b":2}"#, #""a":1,"b":2,"#),
        (#"{"authenticated_user":1,"a":1,"authenticated_user":2,"b":2,"authenticated_user":3}"#, #""a":1,"b":2,"#),
        (#"{"authenticated_user":1,"a":{"authenticated_user":0}}"#, #""a":{"authenticated_user":0},"#),
    ])
    func aForgedUserGivesWayToOurs(activity: String, contents: String) {
        #expect(broadcast(activity) == expected(contents))
    }

    @Test(arguments: [
        #"authenticated\u005fuser"#, #"\u0061uthenticated_user"#, #"authenticated_use\u0072"#,
        #"authenticated\u005Fuser"#,
        #"\u0061\u0075\u0074\u0068\u0065\u006e\u0074\u0069\u0063\u0061\u0074\u0065\u0064\u005f\u0075\u0073\u0065\u0072"#,
    ])
    func aForgedUserIsFoundHoweverItIsSpelled(key: String) {
        #expect(broadcast(#"{"\#(key)":"m"}"#) == expected(""))
        #expect(broadcast(#"{"a":1,"\#(key)":"m"}"#) == expected(#""a":1,"#))
        #expect(broadcast(#"{"\#(key)":null,"a":1}"#) == expected(#""a":1,"#))
    }

    @Test(arguments: [
        #"authenticated\\u005fuser"#, #"authenticated_user\u0000"#, #"authenticated\/user"#, #"authenticated_use"#,
        #"\u00e0uthenticated_user"#,
    ])
    func otherKeysAreNotTakenForIt(key: String) {
        #expect(broadcast(#"{"\#(key)":"m"}"#) == expected(#""\#(key)":"m","#))
    }

    @Test(arguments: [
        ("anonymous", "anonymous"), (#"a"b\c"#, #"a\"b\\c"#), ("\n\u{1}\u{7F}", "\\n\\u0001\u{7F}"),
        ("jürgen 😀", "jürgen 😀"),
    ])
    func theUserNameIsEscaped(username: String, written: String) {
        #expect(broadcast("{}", username: username) == expected("", username: written))
    }
}
