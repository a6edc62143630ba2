/**
 * A screen of React Native with the inbox in native views.
 *
 * The hooks of `inbox-gateway-react` need no browser. React Native has WebSockets but streams no responses, so the client
 * uses a WebSocket. With a `fetch` that streams, as `expo/fetch` does, `transports={["sse"]}` works as well.
 */

import type { ClientOptions, Notification } from "inbox-gateway-client";
import { InboxProvider, useInbox, useNotifications, useUnreadCount } from "inbox-gateway-react";
import { FlatList, Linking, Pressable, Text, View } from "react-native";

export function InboxScreen(options: ClientOptions) {
  return (
    <InboxProvider {...options}>
      <Inbox />
    </InboxProvider>
  );
}

function Inbox() {
  const inbox = useInbox();
  const unread = useUnreadCount();
  const { notifications, loading, error, hasMore, loadMore, retry } = useNotifications({ archived: false });
  return (
    <View style={{ flex: 1 }}>
      <Pressable accessibilityRole="button" onPress={() => inbox.readAll().catch(console.warn)}>
        <Text>Mark all {unread} as read</Text>
      </Pressable>
      <FlatList
        data={notifications}
        keyExtractor={(item) => item.id}
        renderItem={({ item }) => <Row item={item} />}
        onEndReached={() => hasMore && loadMore().catch(console.warn)}
        onRefresh={retry}
        refreshing={loading === "first"}
        ListEmptyComponent={<Text>{error ? error.message : "Nothing here yet"}</Text>}
      />
    </View>
  );
}

function Row({ item }: { item: Notification }) {
  const inbox = useInbox();
  const open = () => {
    if (item.read_at === null) inbox.read(item.id).catch(console.warn);
    if (item.action_url) Linking.openURL(item.action_url).catch(console.warn);
  };
  return (
    <Pressable accessibilityRole={item.action_url ? "link" : "button"} onPress={open}>
      <Text numberOfLines={2} style={{ fontWeight: item.read_at === null ? "600" : "400" }}>
        {item.title}
      </Text>
    </Pressable>
  );
}
