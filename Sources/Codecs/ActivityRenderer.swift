/// Turns an activity that a client sent into the line that every client receives.
///
/// The client's bytes pass as they were written (numbers, order, white space, nested objects), except that each
/// `authenticated_user` member of the activity itself, however its key was escaped, is left out and ours comes
/// last. Objects nested inside the activity may use that name as they like.
public enum ActivityRenderer {
    private static let head = Array(#"{"command":"ACTIVITY_BROADCAST","activity":"#.utf8)
    private static let user = Array(#""authenticated_user":"#.utf8)
    private static let tail = Array("}}\n".utf8)

    /// Appends the broadcast line of an activity, line end included.
    ///
    /// - Parameters:
    ///   - activity: as `ClientMessage.parse` gave it.
    ///   - line: the line that was parsed.
    ///   - username: who is logged in on the connection, in UTF-8; escaped here.
    /// - Complexity: one copy; `output` grows by `size(of:username:)`.
    public static func render(
        _ activity: ClientActivity, of line: Span<UInt8>, username: Span<UInt8>, into output: inout [UInt8]
    ) {
        output.append(bytes: head.span)
        var start = activity.range.lowerBound
        if activity.isForged {
            for forged in activity.forged(in: line) {
                output.append(bytes: line.extracting(start..<forged.lowerBound))
                start = forged.upperBound
            }
        }
        output.append(bytes: line.extracting(start..<activity.contentEnd))
        if activity.needsComma { output.append(ASCII.comma) }
        output.append(bytes: user.span)
        JSONText.append(string: username, to: &output)
        output.append(bytes: tail.span)
    }

    /// Whether bytes that another server has rendered are one line, end included, that may go to clients: two that run
    /// into each other, or an empty one, would cost most of them their session.
    public static func isLine(_ bytes: Span<UInt8>) -> Bool {
        bytes.count > 2 && bytes[0] == ASCII.openBrace && bytes[bytes.count - 1] == ASCII.lineFeed
            && ClientLineSplitter.lineEnd(in: bytes, from: 0) == bytes.count - 1
    }

    /// The exact number of bytes that `render` would append.
    public static func size(of activity: ClientActivity, username: Span<UInt8>) -> Int {
        let written = activity.contentEnd - activity.range.lowerBound - activity.forgedBytes
        return head.count + written + (activity.needsComma ? 1 : 0) + user.count
            + JSONText.size(ofString: username) + tail.count
    }
}
